r"""Made data with their true log p(x_t | x_{t-1}); models, (rnn, theta), that follow their laws,
exactly or nearly; two real sets, of your matplotlib (`membrane`) and Python (`documentation`).
"""

import platform
import re
from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np

from rnnvae_ref import RNN, Categorical, Gaussian, data, examples
from rnnvae_ref.numerics import LEAST, check_count, check_number, check_rng, draw

FORK_PLACES = np.linspace(-4.0, 4.0, 32)  # y of each symbol of `symbol_fork`
H_STAR = 0.9575040240772687  # = tanh(2 H_STAR): at W = 2 a unit stays where it is
# Of both forks: unit 1 keeps +-h*, unit 2 only hears x_{t-1}.
FORK_STATES = {"h1": [[H_STAR, 0], [-H_STAR, 0]], "W": [[2, 0], [0, 0]], "b": [0, 0]}


def steep():
    r"""tanh with W = 1.5, U = 0.5, s = 0.3: on some sequences a little noise raises K."""
    return examples.one_unit("tanh", 1.5, 0.5, 0.3)


def markov_chain(rng, P, T, N, first=None):
    r"""x_1 ~ `first`, by default uniform, x_t ~ P[x_{t-1}]: X (T, N) and log p(x_t | x_{t-1})."""
    _check_made(rng, T, N)
    P = np.asarray(P, dtype=float)
    if first is None:
        first = np.full(P.shape[:1], 1.0 / max(1, len(np.atleast_1d(P))))
    square = P.ndim == 2 and P.shape == 2 * np.shape(first)
    laws = np.array([*P, first], dtype=float) if square else np.full((1, 1), np.nan)
    if not ((laws >= 0).all() and np.allclose(laws.sum(axis=1), 1.0)):
        raise ValueError("P must be a square matrix, its rows and `first` probabilities")
    rows = [np.tile(first, (N, 1))]
    X = [draw(rng.random(N), rows[0])]
    for _ in range(T - 1):
        rows.append(P[X[-1]])
        X.append(draw(rng.random(N), rows[-1]))
    X = np.array(X)
    return X, np.log(np.take_along_axis(np.array(rows), X[:, :, None], axis=2)[:, :, 0])


def autoregression(rng, a, s, T, N):
    r"""x_t = a x_{t-1} + s n_t, n_t ~ N(0, 1), x_0 = 0: X (T, N, 1) and log p(x_t | x_{t-1})."""
    _check_made(rng, T, N)
    check_number("a", a)
    check_number("s", s, LEAST)
    n = rng.standard_normal((T, N))
    X = np.zeros((T + 1, N))
    for t in range(T):
        X[t + 1] = a * X[t] + s * n[t]
    return X[1:, :, None], -0.5 * n**2 - np.log(s) - 0.5 * np.log(2 * np.pi)


def fork(rng, T, N):
    r"""x_t = 0.8 x_{t-1} + z_t + 0.1 n_t, z_t = +-1 with equal chance, n_t ~ N(0, 1), x_0 = 0: each
    step has two modes. X (T, N, 1) and log p(x_t | x_{t-1}).
    """
    _check_made(rng, T, N)
    z = rng.choice([-1.0, 1.0], (T, N))
    n = rng.standard_normal((T, N))
    X = np.zeros((T + 1, N))
    for t in range(T):
        X[t + 1] = 0.8 * X[t] + z[t] + 0.1 * n[t]
    y = X[1:] - 0.8 * X[:-1]
    plus, minus = (-0.5 * ((y - mode) / 0.1) ** 2 for mode in (1.0, -1.0))
    log_p = np.logaddexp(plus, minus) - np.log(2 * 0.1 * np.sqrt(2 * np.pi))
    return X[1:, :, None], log_p


def fork_particles():
    r"""Eq. (17) is nearly the law of `fork`: unit 1 stays at +-h*, and unit 2, which is
    tanh(x_{t-1} / 100), stands for x_{t-1} / 100.
    """
    theta = FORK_STATES | {"U": [[0, 0.01]], "C": [[1 / H_STAR], [80]], "c": [0]}
    return RNN(Gaussian(), 2, particles=2), _arrays(theta | {"log_s": [np.log(0.1)]})


def symbol_fork_law():
    r"""The fork in 32 symbols at the places `FORK_PLACES`: p(x_1), and P[x_{t-1}, x_t], (32, 32).

    Half of N(0.8 y + 1, 0.15^2) and half of N(0.8 y - 1, 0.15^2), each on the places only; y_0 = 0.
    """
    mean = 0.8 * np.append(0.0, FORK_PLACES)[:, None, None] + np.array([[1.0], [-1.0]])
    bumps = np.exp(-0.5 * ((FORK_PLACES - mean) / 0.15) ** 2)  # (33, 2, 32)
    rows = np.mean(bumps / bumps.sum(axis=2, keepdims=True), axis=1)
    return rows[0], rows[1:]


def symbol_fork(rng, T, N):
    r"""The fork in symbols: X (T, N) and the true log p(x_t | x_{t-1}), (T, N)."""
    first, P = symbol_fork_law()
    return markov_chain(rng, P, T, N, first)


def symbol_fork_particles(hidden=2):
    r"""Eq. (17) is the law of `symbol_fork`: unit 1 stays at +-h*, unit 2 is 0.8 y_{t-1} / A.

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


def cue_law(n, m):
    r"""The cue language's law: p(x_1), (V,), and P[x_{t-1}, x_t], (V, V), with V = n + C(n, m).

    Symbols 0 .. n-1 are answers; each other symbol, a cue, names a set of m answers. One of them
    comes after the cue, and after an answer, or first of all, any cue; all equally likely.
    """
    sets = cue_sets(n, m)
    any_cue = np.repeat([0.0, 1.0 / len(sets)], [n, len(sets)])
    P = np.tile(any_cue, (n + len(sets), 1))
    P[n:] = 0.0
    P[n + np.arange(len(sets))[:, None], sets] = 1.0 / m
    return any_cue, P


def cue_language(rng, n, m, T, N):
    r"""Cue, answer, cue, answer .. by `cue_law`: X (T, N) and the true log p(x_t | x_{t-1})."""
    first, P = cue_law(n, m)
    return markov_chain(rng, P, T, N, first)


def cue_particles(n, m, hidden=None):
    r"""Eq. (17) with L = D = m is the law of the cue language, within V e^-30.

    Unit l of particle l holds the l-th answer's place: the others, at 1, cancel its b, so that U
    alone decides. It is at most 1/2, which drives the others to 1. A logit is
    -kappa (y_v - h^l_l)^2 + const.: the nearest symbols are predicted.
    """
    sets, place, y = _places(n, m)
    kappa, gain = 30.0 * n**2, 40.0
    h1 = np.ones((m, m)) + (place[-1] - 1.0) * np.eye(m)
    U = np.arctanh(np.concatenate([np.full((n, m), place[-1]), place[sets]]))
    theta = {"h1": h1, "W": gain * np.eye(m) - gain, "U": U, "b": np.full(m, gain * (m - 1))}
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


@dataclass(frozen=True)
class Document:
    r"""One long text of known `source`, in order: (T, 1) integers; symbols[v] is symbol v."""

    symbols: tuple
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    source: str


def membrane(every=4):
    r"""A neuron's membrane potential in mV, 1.0 to 5.3 s at 2000 / `every` Hz: 55 % to train, 15 %
    to validate, 30 % to test. From the sample data of your matplotlib, or FileNotFoundError.
    """
    check_count("every", every, most=86)  # which leaves 100 of the 8600 values
    path = Path(matplotlib.get_data_path()) / "sample_data" / "membrane.dat"
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: this matplotlib lacks its sample data; pip's has it"
        )
    x = 100.0 * np.fromfile(path, np.float32).astype(float)[2000:10600:every, None]
    T = len(x)
    a, b = round(0.55 * T), round(0.7 * T)
    mean, scale = x[:a].mean(axis=0), x[:a].std(axis=0)
    parts = slice(0, a), slice(a, b), slice(b, T)
    return data.Series(((x - mean) / scale)[:, None], *parts, mean, scale)


def documentation(level="words", vocabulary=500):
    r"""The help texts of your own Python: 80 % to train, then 10 % to validate, 10 % to test.

    level: "words", which are words and signs, or "characters". The most frequent of the training
    part are symbols of their own, all others are symbol 0. `source` tells the version of Python.
    """
    check_count("vocabulary", vocabulary, least=2)
    if level not in ("words", "characters"):
        raise ValueError(f'level must be "words" or "characters"; got {level!r}')
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        missing = "this Python comes without pydoc_data, its help texts"
        raise ImportError(f"{missing}; that from python.org has them") from error
    text = "".join(topics[name] for name in sorted(topics))
    parts = re.findall(r"\w+|[^\w\s]", text) if level == "words" else [*text]
    ends = [round(share * len(parts)) for share in (0.8, 0.9)]
    frequent = Counter(parts[: ends[0]]).most_common(vocabulary - 1)
    index = {symbol: v for v, (symbol, _) in enumerate(frequent, start=1)}
    X = np.array([index.get(symbol, 0) for symbol in parts])[:, None]
    source = f"pydoc_data.topics of Python {platform.python_version()}, {len(text)} characters"
    return Document(("(other)", *index), *np.split(X, ends), source)


def _check_made(rng, T, N):
    check_rng(rng)
    check_count("T", T)
    check_count("N", N)


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
