"""exp of a logit of 1000 is infinite."""

import numpy as np

HINT = "subtract the largest of each row before exp"


def log_softmax(z):
    e = np.exp(z)
    return np.log(e / e.sum(axis=-1, keepdims=True))
