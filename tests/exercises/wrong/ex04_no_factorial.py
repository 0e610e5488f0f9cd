"""The normaliser of the Poisson law is forgotten, as it does not depend on the parameters."""

import numpy as np

HINT = "log x! is missing"


def poisson_log_p(theta, h, x):
    z = h @ theta["C"] + theta["c"]
    return (x * z - np.exp(z)).sum(axis=1)
