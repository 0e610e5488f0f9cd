"""Both ends get the whole weight 1/kappa."""

import numpy as np

HINT = "is each side's weight halved"


def three_point(kappa):
    a = kappa**0.5
    return np.array([-a, 0, a]), np.array([1 / kappa, 1 - 1 / kappa, 1 / kappa])
