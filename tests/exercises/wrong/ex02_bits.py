"""Divided by log 2, out of habit."""

import numpy as np

HINT = "these are bits"


def log_likelihood(theta, X):
    h, total = np.tile(theta["h1"], (X.shape[1], 1)), 0.0
    for x in X:
        z = h @ theta["C"] + theta["c"]
        z = z - z.max(axis=1, keepdims=True)
        total = total + (z[np.arange(len(x)), x] - np.log(np.exp(z).sum(axis=1))) / np.log(2)
        h = np.tanh(h @ theta["W"] + theta["U"][x] + theta["b"])
    return total
