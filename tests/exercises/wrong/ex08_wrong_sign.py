"""The correction goes the wrong way, which makes the estimate worse than none."""

import numpy as np

HINT = "subtracted, not added"


def control_variate(values, eps):
    K = eps.shape[1]
    C = np.cov(np.column_stack([eps, values]).T)
    beta = np.linalg.solve(C[:K, :K], C[:K, K])
    return float(values.mean() + eps.mean(axis=0) @ beta)
