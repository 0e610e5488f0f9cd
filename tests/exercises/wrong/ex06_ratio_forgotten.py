"""Only E_q of the likelihood is left, as if q were the dynamics."""

import numpy as np

HINT = "E_q[log p(path) - log q(path)] is missing"


def tilted_bound(ell, signs, r):
    q = np.prod(np.where(signs > 0, r, 1 - r), axis=1)
    return float(q @ ell.sum(axis=0))
