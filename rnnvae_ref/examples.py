r"""Small models whose answers are known: the linear example, two steps, the counterexample, the
fork written down.

Each returns (rnn, theta), or (rnn, theta, X) where data belong to it.
"""

from dataclasses import replace
from itertools import combinations

import numpy as np

from rnnvae_ref.emissions import Categorical, Gaussian
from rnnvae_ref.numerics import check_count, check_number, check_positive
from rnnvae_ref.rnn import RNN

FORK_PLACES = np.linspace(-4.0, 4.0, 32)  # where the symbols of the fork in symbols lie


def one_unit(transition, W, U, s):
    r"""One hidden unit, one visible dimension: h_1 = 0, b = 0, C = 1, c = 0, scale s."""
    for name, value in {"W": W, "U": U, "s": s}.items():
        check_number(name, value)
    check_positive("s", s)
    theta = {"h1": [[0.0]], "W": [[W]], "U": [[U]], "b": [0.0]}
    theta |= {"C": [[1.0]], "c": [0.0], "log_s": [np.log(s)]}
    return RNN(Gaussian(), 1, transition=transition), _arrays(theta)


def linear():
    r"""The linear example: W = 0.6, U = 0.3, C = 1, s = 0.5. K falls as a parabola in sigma."""
    return one_unit("linear", 0.6, 0.3, 0.5)


def steep():
    r"""tanh with W = 1.5, U = 0.5, s = 0.3: on some sequences a little noise raises K."""
    return one_unit("tanh", 1.5, 0.5, 0.3)


def two_steps(x):
    r"""Two particles at +-1, data (2, x): log weights (5,1), and (1,5) at x = -2, less 6.42."""
    check_number("x", x)
    rnn, theta = one_unit("linear", 1.0, 0.0, 1.0)
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


def symbol_fork_particles(hidden=2):
    r"""Eq. (17) with L = D = 2 is the law of the fork in symbols: h^l stays at +-h* = tanh(2 h*),
    the second unit is 0.8 y / A.

    Logits ((+-1 + 0.8 y_{t-1}) y - y^2 / 2) / s^2 are those of a normal law of scale s around +-1 +
    0.8 y_{t-1}.
    """
    y, A, h = FORK_PLACES, 6.4, 0.9575040240772687
    theta = {"h1": [[h, 0], [-h, 0]], "W": [[2, 0], [0, 0]], "b": [0, 0]}
    theta |= {
        "U": np.outer(np.arctanh(0.8 * y / A), [0, 1]),
        "C": np.array([y / h, A * y]) / 0.15**2,
        "c": -0.5 * (y / 0.15) ** 2,
    }
    return _categorical(theta, hidden)


def cue_sets(n, m):
    r"""The m-sets of n answers, (C(n, m), m), in the order of their cues; or ValueError."""
    check_count("m", m)
    check_count("n", n, least=2 * m)
    return np.array(list(combinations(range(n), m)))


def cue_particles(n, m, hidden=None):
    r"""Eq. (17) with L = D = m is the law of the cue language, within V e^-30: unit l of particle l
    holds the l-th answer's place.

    The other units sit at 1 and hold one another there, so each particle has one open unit, which U
    alone decides. Every logit is -kappa (y_v - h^l_l)^2 + const., so the particle predicts the
    symbols whose place y_v is the nearest.
    """
    sets, place = cue_sets(n, m), _places(n)
    y, kappa, K = place[_where(n, sets)], 30.0 * n**2, 40.0
    h1 = np.ones((m, m)) + (place[-1] - 1.0) * np.eye(m)
    U = np.arctanh(np.concatenate([np.full((n, m), place[-1]), place[sets]]))
    theta = {"h1": h1, "W": K * np.eye(m) - K, "U": U, "b": np.full(m, K * (m - 1))}
    theta |= {"C": np.tile(2 * kappa * y, (m, 1)), "c": -kappa * y**2 - 2 * (m - 1) * kappa * y}
    return _categorical(theta, hidden)


def cue_one_particle(n, m, hidden=None):
    r"""One particle with D = 2m - 1 is the law of the cue language, within V e^-30: h holds the
    coefficients of a polynomial.

    After a cue that is -prod_i (y - y_i)^2, 0 at the places of the m answers and negative
    elsewhere; after an answer -(y - y_0)^2 (y^2 + 1)^(m-1), 0 at the cues' place only. y^(2m) has
    the same coefficient in all of them, so it stands in c.
    """
    sets, place = cue_sets(n, m), _places(n)
    y, powers = place[_where(n, sets)], np.arange(1, 2 * m)
    after_answer = [*2 * [place[-1]], *(m - 1) * [1j, -1j]]
    roots = [after_answer] * n + [np.repeat(place[s], 2) for s in sets]
    h = np.array([-np.poly(r)[-2:0:-1] for r in roots])  # the coefficients of y, y^2 .. y^(2m-1)
    beta = 30.0 / min(
        np.prod((np.delete(place, s)[:, None] - place[s]) ** 2, axis=1).min() for s in sets
    )
    size = 1.25 * np.abs(h).max(axis=0)
    theta = {
        "h1": h[:1] / size,
        "W": np.zeros((2 * m - 1, 2 * m - 1)),
        "U": np.arctanh(h / size),
        "b": np.zeros(2 * m - 1),
    }
    theta |= {"C": beta * size[:, None] * y ** powers[:, None], "c": -beta * y ** (2 * m)}
    return _categorical(theta, hidden)


def _places(n):
    r"""A place in [-1/2, 1/2] for each answer, and behind them the one where all cues lie."""
    return np.roll(np.linspace(-0.5, 0.5, n + 1), -(n // 2) - 1)


def _where(n, sets):
    r"""Which of these places each symbol has."""
    return np.append(np.arange(n), np.full(len(sets), n))


def _categorical(theta, hidden):
    r"""The RNN of these parameters, with units that do nothing up to D = hidden."""
    L, D = np.shape(theta["h1"])
    hidden = D if hidden is None else hidden
    check_count("hidden", hidden, least=D)
    wider = {
        "h1": (L, hidden),
        "W": (hidden, hidden),
        "U": (len(theta["U"]), hidden),
        "b": (hidden,),
        "C": (hidden, len(theta["c"])),
    }
    padded = {key: np.zeros(shape) for key, shape in wider.items()}
    for key, value in padded.items():
        value[tuple(slice(size) for size in np.shape(theta[key]))] = theta[key]
    return RNN(Categorical(len(theta["c"])), hidden, particles=L), padded | {"c": theta["c"]}


def _arrays(theta):
    return {key: np.array(value, dtype=float) for key, value in theta.items()}
