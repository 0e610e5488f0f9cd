r"""Small models whose answers are known: the linear example, two steps, the counterexample, the
fork written down.

Each returns (rnn, theta), or (rnn, theta, X) where data belong to it.
"""

from dataclasses import replace

import numpy as np

from rnnvae_ref.emissions import Categorical, Gaussian
from rnnvae_ref.numerics import check_number
from rnnvae_ref.rnn import RNN


def linear():
    r"""The linear example: W = 0.6, U = 0.3, C = 1, s = 0.5. K falls as a parabola in sigma."""
    return _one_unit("linear", 0.6, 0.3, 0.5)


def steep():
    r"""The same with tanh and a steeper W = 1.5: on some sequences a little noise raises K."""
    return _one_unit("tanh", 1.5, 0.5, 0.3)


def two_steps(x):
    r"""Two particles at +-1, data (2, x): log weights (5,1), and (1,5) at x = -2, less 6.42."""
    check_number("x", x)
    rnn, theta = _one_unit("linear", 1.0, 0.0, 1.0)
    theta["h1"] = np.array([[1.0], [-1.0]])
    return replace(rnn, particles=2), theta, np.array([[[2.0]], [[x]]])


def counterexample():
    r"""(rnn, theta, X) on which two-point noise of sigma = 0.1 raises K from -3.513 to -2.520:
    noise-free is not always optimal.

    D = 1, V = 2, T = 3. Without noise h_2 = 0, so h_3 = tanh(100 h_2 - 5) = -1, on the wrong side
    for x_3 = 1; half of the noisy h_2 cross the threshold of 0.05 and predict x_3 well.
    """
    theta = {"h1": [[0.0]], "W": [[100.0]], "U": [[0.0], [5.0]], "b": [-5.0]}
    theta |= {"C": [[0.0, 2.0]], "c": [0.0, 0.0]}
    return RNN(Categorical(2), 1), _arrays(theta), np.array([[1], [0], [1]])


def fork_particles():
    r"""The fork solved by Eq. (17): h^l stays at +-h* = tanh(2 h*), unit 2 carries x_{t-1}."""
    h = 1.0
    for _ in range(200):
        h = np.tanh(2 * h)
    theta = {"h1": [[h, 0], [-h, 0]], "W": [[2, 0], [0, 0]], "U": [[0, 0.01]], "b": [0, 0]}
    theta |= {"C": [[1 / h], [80]], "c": [0], "log_s": [np.log(0.1)]}
    return RNN(Gaussian(), 2, particles=2), _arrays(theta)


def _one_unit(transition, W, U, s):
    r"""One hidden unit, one visible dimension: h_1 = 0, b = 0, C = 1, c = 0, scale s."""
    theta = {"h1": [[0.0]], "W": [[W]], "U": [[U]], "b": [0.0]}
    theta |= {"C": [[1.0]], "c": [0.0], "log_s": [np.log(s)]}
    return RNN(Gaussian(), 1, transition=transition), _arrays(theta)


def _arrays(theta):
    return {key: np.array(value, dtype=float) for key, value in theta.items()}
