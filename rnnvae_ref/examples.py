r"""Small models whose answers are known. Each returns (rnn, theta), or (rnn, theta, X)."""

from dataclasses import replace
from itertools import combinations

import numpy as np

from rnnvae_ref.emissions import Categorical, Gaussian
from rnnvae_ref.numerics import check_count, check_number, check_positive
from rnnvae_ref.rnn import RNN

FORK_PLACES = np.linspace(-4.0, 4.0, 32)  # y of each symbol of `data.symbol_fork`
H_STAR = 0.9575040240772687  # = tanh(2 H_STAR): at W = 2 a unit stays where it is
FORK_STATES = {"h1": [[H_STAR, 0], [-H_STAR, 0]], "W": [[2, 0], [0, 0]], "b": [0, 0]}


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
    r"""Two particles that stay at +-1; data x_1 = 2, x_2 = x: at -2 each particle fits one step."""
    check_number("x", x)
    rnn, theta = one_unit("linear", 1.0, 0.0, 1.0)
    theta["h1"] = np.array([[1.0], [-1.0]])
    return replace(rnn, particles=2), theta, np.array([[[2.0]], [[x]]])


def counterexample():
    r"""Two-point noise of sigma = 0.1 raises K from -3.513 to -2.520: noise-free is not always
    optimal. Without noise h_2 = 0, so h_3 = tanh(100 h_2 - 5) = -1, on the wrong side for x_3 = 1;
    half of the noisy h_2 cross the threshold of 0.05 and predict x_3 well.
    """
    theta = {"h1": [[0.0]], "W": [[100.0]], "U": [[0.0], [5.0]], "b": [-5.0]}
    theta |= {"C": [[0.0, 2.0]], "c": [0.0, 0.0]}
    return RNN(Categorical(2), 1), _arrays(theta), np.array([[1], [0], [1]])


def fork_particles():
    r"""Eq. (17) is nearly the law of `data.fork`: unit 1 stays at +-h*, and unit 2, which is
    tanh(x_{t-1} / 100), stands for x_{t-1} / 100.
    """
    theta = FORK_STATES | {"U": [[0, 0.01]], "C": [[1 / H_STAR], [80]], "c": [0]}
    return RNN(Gaussian(), 2, particles=2), _arrays(theta | {"log_s": [np.log(0.1)]})


def symbol_fork_particles(hidden=2):
    r"""Eq. (17) is the law of `data.symbol_fork`: unit 1 stays at +-h*, unit 2 is 0.8 y_{t-1} / A.

    The logits ((+-1 + 0.8 y_{t-1}) y - y^2 / 2) / s^2 are those of N(+-1 + 0.8 y_{t-1}, s^2).
    """
    y, A, s = FORK_PLACES, 6.4, 0.15
    theta = FORK_STATES | {"U": np.outer(np.arctanh(0.8 * y / A), [0, 1])}
    theta |= {"C": np.array([y / H_STAR, A * y]) / s**2, "c": -0.5 * (y / s) ** 2}
    return _categorical(theta, hidden)


def cue_sets(n, m):
    r"""The m-sets of n answers, (C(n, m), m), in the order of their cues; or ValueError."""
    check_count("m", m)
    check_count("n", n, least=2 * m)
    return np.array(list(combinations(range(n), m)))


def cue_particles(n, m, hidden=None):
    r"""Eq. (17) with L = D = m is the law of the cue language, within V e^-30.

    Unit l of particle l holds the l-th answer's place, which U alone decides; the others hold one
    another at 1. A logit is -kappa (y_v - h^l_l)^2 + const.: the nearest symbols are predicted.
    """
    sets, place, y = _places(n, m)
    kappa, K = 30.0 * n**2, 40.0
    h1 = np.ones((m, m)) + (place[-1] - 1.0) * np.eye(m)
    U = np.arctanh(np.concatenate([np.full((n, m), place[-1]), place[sets]]))
    theta = {"h1": h1, "W": K * np.eye(m) - K, "U": U, "b": np.full(m, K * (m - 1))}
    theta |= {"C": np.tile(2 * kappa * y, (m, 1)), "c": -kappa * y**2 - 2 * (m - 1) * kappa * y}
    return _categorical(theta, hidden)


def cue_one_particle(n, m, hidden=None):
    r"""One particle with D = 2m - 1 is the law of the cue language, within V e^-30 and rounding.

    h holds the coefficients of a polynomial: after a cue -prod_i (y - y_i)^2, which is 0 at the
    places of the m answers and negative elsewhere; after an answer -(y - y_0)^2 (y^2 + 1)^(m-1),
    which is 0 at the cues' place only. All have the same coefficient of y^(2m): it is in c.
    """
    sets, place, y = _places(n, m)
    D = 2 * m - 1
    powers = np.arange(1, D + 1)
    after_answer = [*2 * [place[-1]], *(m - 1) * [1j, -1j]]
    roots = [after_answer] * n + [np.repeat(place[s], 2) for s in sets]
    h = np.array([-np.poly(r)[-2:0:-1] for r in roots])  # of y, y^2 .. y^D
    away = [np.delete(place, s)[:, None] - place[s] for s in sets]
    beta = 30.0 / min(np.prod(a**2, axis=1).min() for a in away)
    size = 1.25 * np.abs(h).max(axis=0)
    theta = {"h1": h[:1] / size, "W": np.zeros((D, D)), "U": np.arctanh(h / size)}
    theta |= {"b": np.zeros(D), "C": beta * size[:, None] * y ** powers[:, None]}
    return _categorical(theta | {"c": -beta * y ** (2 * m)}, hidden)


def _places(n, m):
    r"""The m-sets; a place for each answer, and last one for all cues; the place of each symbol."""
    sets = cue_sets(n, m)
    place = np.roll(np.linspace(-0.5, 0.5, n + 1), -(n // 2) - 1)
    return sets, place, np.append(place[:n], np.full(len(sets), place[n]))


def _categorical(theta, hidden):
    r"""The RNN of these parameters, with units that do nothing up to D = hidden."""
    L, D = np.shape(theta["h1"])
    hidden = D if hidden is None else hidden
    check_count("hidden", hidden, least=D)
    # 1 where an axis has D entries
    axes = {"h1": (0, 1), "W": (1, 1), "U": (0, 1), "b": (1,), "C": (1, 0), "c": (0,)}
    more = {k: [(0, i * (hidden - D)) for i in row] for k, row in axes.items()}
    theta = {k: np.pad(value, more[k]) for k, value in _arrays(theta).items()}
    return RNN(Categorical(len(theta["c"])), hidden, particles=L), theta


def _arrays(theta):
    return {key: np.array(value, dtype=float) for key, value in theta.items()}
