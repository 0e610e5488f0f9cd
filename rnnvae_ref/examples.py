r"""Small models whose answers are known. Each returns (rnn, theta), or (rnn, theta, X)."""

from dataclasses import replace

import numpy as np

from rnnvae_ref.emissions import Categorical, Gaussian
from rnnvae_ref.numerics import LEAST, check_number
from rnnvae_ref.rnn import RNN


def one_unit(transition, W, U, s):
    r"""One hidden unit, one visible dimension: h_1 = 0, b = 0, C = 1, c = 0, scale s."""
    check_number("W", W)
    check_number("U", U)
    check_number("s", s, LEAST)
    theta = {"h1": [[0.0]], "W": [[W]], "U": [[U]], "b": [0.0]}
    theta |= {"C": [[1.0]], "c": [0.0], "log_s": [np.log(s)]}
    return RNN(Gaussian(), 1, transition=transition), _arrays(theta)


def linear():
    r"""The linear example: W = 0.6, U = 0.3, C = 1, s = 0.5. K falls as a parabola in sigma."""
    return one_unit("linear", 0.6, 0.3, 0.5)


def two_steps(x):
    r"""Two particles that stay at +-1; data x_1 = 2, x_2 = x: at -2 each particle fits one step."""
    check_number("x", x)
    rnn, theta = one_unit("linear", 1.0, 0.0, 1.0)
    theta["h1"] = np.array([[1.0], [-1.0]])
    return replace(rnn, particles=2), theta, np.array([[[2.0]], [[x]]])


def counterexample():
    r"""Two-point noise of sigma = 0.1 raises K from -3.513 to -2.520: noise-free is not always
    optimal. Without noise h_2 = 0, so h_3 = tanh(100 h_2 - 5) = -1, on the wrong side for x_3 = 1;
    half of the noisy h_2 cross the threshold of 0.05 and predict x_3 well."""
    theta = {"h1": [[0.0]], "W": [[100.0]], "U": [[0.0], [5.0]], "b": [-5.0]}
    theta |= {"C": [[0.0, 2.0]], "c": [0.0, 0.0]}
    return RNN(Categorical(2), 1), _arrays(theta), np.array([[1], [0], [1]])


def _arrays(theta):
    return {key: np.array(value, dtype=float) for key, value in theta.items()}
