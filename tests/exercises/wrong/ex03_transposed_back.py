"""On the way back the row must be multiplied by the transpose of W."""

import numpy as np

HINT = "W stands where its transpose belongs"


def truncated_gradient(theta, X, k):
    W, H = theta["W"], [theta["h1"]]
    for x in X[:-1]:
        H.append(np.tanh(H[-1] @ W + theta["U"][x] + theta["b"]))
    dW = np.zeros_like(W)
    for t in range(len(X)):
        e = np.exp(H[t] @ theta["C"] + theta["c"])
        d = theta["C"][:, X[t]] - theta["C"] @ (e / e.sum())
        s = t
        while s > 0 and s > t - k:
            d = d * (1 - H[s] ** 2)
            dW += np.outer(H[s - 1], d)
            d = d @ W
            s -= 1
    return dW
