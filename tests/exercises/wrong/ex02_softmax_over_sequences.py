"""axis=0 normalises over the sequences."""

import numpy as np

HINT = "the softmax runs along the first axis"


def log_softmax(z):
    z = z - z.max(axis=0)
    return z - np.log(np.exp(z).sum(axis=0))
