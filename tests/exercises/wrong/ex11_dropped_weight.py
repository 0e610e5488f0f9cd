"""Weights are reset at every step, whether particles were resampled or not."""

import numpy as np

HINT = "weight is dropped"


def evidence_in_stretches(ell, resampled):
    total = 0.0
    for row in ell:
        total += row.max() + np.log(np.mean(np.exp(row - row.max())))
    return float(total)
