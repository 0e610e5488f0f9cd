"""log2 for log."""

import numpy as np

HINT = "these are bits"


def log_likelihood(theta, X):
    h, total = np.tile(theta["h1"], (X.shape[1], 1)), 0.0
    for x in X:
        e = np.exp(h @ theta["C"] + theta["c"])
        p = e / e.sum(axis=1, keepdims=True)
        total = total + np.log2(p[np.arange(len(x)), x])
        h = np.tanh(h @ theta["W"] + theta["U"][x] + theta["b"])
    return total
