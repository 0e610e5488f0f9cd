"""The ten problems: (N, T, D, V, L) with symbols, c1 to c5, and the same with one Gaussian
dimension, g1 to g5.
"""

import numpy as np

from rnnvae_ref import RNN, Categorical, Gaussian

SIZES = {
    "1": (16, 50, 32, 30, 1),
    "2": (32, 100, 64, 64, 1),
    "3": (32, 100, 64, 64, 4),
    "4": (64, 100, 128, 80, 8),
    "5": (1, 1000, 32, 30, 1),
}
SHAPES = [kind + number for kind in "cg" for number in SIZES]


def problem(shape, T=None, L=None):
    """(rnn, theta, X) of one of SHAPES, with T or L changed where given."""
    N, steps, D, V, particles = SIZES[shape[1]]
    T, rng = T or steps, np.random.default_rng(0)
    rnn = RNN(Categorical(V) if shape[0] == "c" else Gaussian(), D, L or particles)
    X = rng.integers(0, V, (T, N)) if shape[0] == "c" else rng.standard_normal((T, N, 1))
    return rnn, rnn.init(rng, scale=0.9), X
