"""The mean is taken over the posterior."""

import numpy as np

HINT = "that is KL( p || q )"


def gap(ell, log_w):
    joint = ell.sum(axis=0) + log_w
    joint -= joint.max()
    post = np.exp(joint) / np.exp(joint).sum()
    return float(np.sum(post * (np.log(post) - log_w)))
