"""A mean over t, as losses in deep-learning libraries have it."""

import numpy as np

HINT = "divided by T"


def log_likelihood(theta, X):
    log_p = log_softmax(trajectory(theta, X) @ theta["C"] + theta["c"])
    T, N = X.shape
    return log_p[np.arange(T)[:, None], np.arange(N), X].mean(axis=0)


def trajectory(theta, X):
    raise NotImplementedError


def log_softmax(z):
    raise NotImplementedError
