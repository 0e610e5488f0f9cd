"""Each step sees the state before it as a constant, so nothing flows back further."""

import numpy as np

HINT = "the state is detached at every step"


def truncated_gradient(theta, X, k):
    h, dW = theta["h1"], np.zeros_like(theta["W"])
    for t, x in enumerate(X):
        if t > 0:
            before, h = h, np.tanh(h @ theta["W"] + theta["U"][X[t - 1]] + theta["b"])
        e = np.exp(h @ theta["C"] + theta["c"])
        error = -e / e.sum()
        error[x] += 1
        if t > 0:
            dW += np.outer(before, (error @ theta["C"].T) * (1 - h**2))
    return dW
