"""log-sum-exp where log-mean-exp belongs."""

import numpy as np

HINT = "- log L is missing"


def trajectory_mixture(ell):
    total = ell.sum(axis=0)
    top = total.max(axis=0)
    return top + np.log(np.exp(total - top).sum(axis=0))
