"""The ten problems: (N, T, D, V, L) with symbols, and the same with one Gaussian dimension."""

import numpy as np

from rnnvae_ref import RNN, Categorical, Gaussian

SIZES = {"1": (16, 50, 32, 30, 1), "2": (32, 100, 64, 64, 1), "3": (32, 100, 64, 64, 4), "4": (64, 100, 128, 80, 8), "5": (1, 1000, 32, 30, 1)}
SHAPES = [kind + number for kind in "cg" for number in SIZES]


def problem(shape, **changes):
    """(rnn, theta, X) of "c1" .. "g5"; `changes` sets T or L anew."""
    N, T, D, V, L = SIZES[shape[1]]
    T, L = changes.get("T", T), changes.get("L", L)
    rng = np.random.default_rng(0)
    rnn = RNN(Categorical(V) if shape[0] == "c" else Gaussian(), D, L)
    X = rng.integers(0, V, (T, N)) if shape[0] == "c" else rng.standard_normal((T, N, 1))
    theta = rnn.init(rng)
    theta["W"] *= 0.9
    return rnn, theta, X
