"""The step from (26) to (27) of the paper: the log passes the product over t."""

import numpy as np

HINT = "that is Eq. (17)"


def trajectory_mixture(ell):
    top = ell.max(axis=1)
    return np.sum(top + np.log(np.mean(np.exp(ell - top[:, None]), axis=1)), axis=0)
