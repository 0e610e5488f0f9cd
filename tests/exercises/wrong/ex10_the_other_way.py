"""Particle 1 is better at both steps: here (26) is the larger."""

import numpy as np

HINT = "let the particles take turns"


def counterexample():
    theta = {
        "h1": np.array([[1.0], [-1.0]]),
        "W": np.array([[5.0]]),
        "U": np.zeros((2, 1)),
        "b": np.zeros(1),
        "C": np.array([[-2.0, 2.0]]),
        "c": np.zeros(2),
    }
    return theta, np.array([[1], [1]])
