"""`make bench`: how fast one value and gradient is, against PyTorch, JAX and the matrix products
alone.
"""
