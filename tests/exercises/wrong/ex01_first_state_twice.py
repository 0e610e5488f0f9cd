"""The list starts with h_1, and the loop puts h_1 in once more."""

import numpy as np

HINT = "h_1 is used twice"


def trajectory(theta, X):
    h, H = np.tile(theta["h1"], (X.shape[1], 1)), []
    for t in range(len(X)):
        H.append(h)
        if t > 0:
            h = np.tanh(h @ theta["W"] + theta["U"][X[t - 1]] + theta["b"])
    return np.array(H)
