r"""q(X): the data. Sequences of symbols (`Text`), series of numbers (`Series`), and made sequences whose truth is known.

Every set has one fixed split into train, validation and test: at random but always the same for sequences, in the order of
time for a series. Files in `rnnvae_ref/datasets/`; their sources in `SOURCES.md` there.
"""

import csv
import io
import platform
import re
from collections import Counter
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

import numpy as np

from rnnvae_ref.emissions import Categorical
from rnnvae_ref.examples import FORK_PLACES, cue_sets
from rnnvae_ref.numerics import check_count, check_positive, check_rng, describe, draw

HERE = Path(__file__).parent / "datasets"
END = "\n"  # every line ends with it: it is a symbol of the alphabet, predicted and counted like the others


@dataclass(frozen=True)
class Text:
    r"""Sequences of symbols. train, validation, test: (T, N) integers, -1 behind the end; alphabet[v] is symbol v."""

    alphabet: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def encode(self, lines):
        r"""A list of lines to (T, N) integers, each with its end symbol. ValueError names a symbol that the alphabet lacks."""
        if not isinstance(lines, (list, tuple)) or not all(isinstance(line, str) for line in lines):
            raise ValueError(f"lines must be a list of strings; got {describe(lines)}")
        return pad([_indices(line, self.alphabet) for line in lines])

    def decode(self, X):
        r"""(T, N) integers to lines, each cut at its end symbol or its padding."""
        Categorical(len(self.alphabet)).prepare(X)
        return ["".join(self.alphabet[v] for v in column if v >= 0).split(END)[0] for column in X.T]


@dataclass(frozen=True)
class Series:
    r"""One long sequence. X (T, 1, M), standardised by its training part; train, validation, test are slices of time.

    The model is causal, so log_likelihood_steps(rnn, theta, s.X)[s.test] scores the test part given its whole past.
    In the units of the file: X * scale + mean.
    """

    X: np.ndarray
    train: slice
    validation: slice
    test: slice
    mean: np.ndarray
    scale: np.ndarray


def characters(path, alphabet=None):
    r"""Text of your own: a UTF-8 file, one sequence a line, blank lines skipped; split 70 : 15 : 15.

    `alphabet` is made from the training part. A symbol that stands only in held-out lines is an error, because the model
    could not have learned it; give an alphabet, a string of all symbols, to admit it.
    """
    lines = [line for line in _read(path).split("\n") if line.strip()]
    if len(lines) < 3:
        raise ValueError(f"{path} must hold at least 3 lines that are not blank, to be split; it has {len(lines)}")
    held_out = max(1, round(0.15 * len(lines)))
    return _text(lines, len(lines) - 2 * held_out, held_out, alphabet)


def colour_names():
    r"""The 949 colour names of the xkcd survey (CC0), from your own matplotlib: 700 to train, 100 to validate, 149 to test."""
    try:
        from matplotlib.colors import XKCD_COLORS
    except ImportError as error:
        raise ImportError("the colour names come with matplotlib, which is not installed: pip install matplotlib") from error
    return _text([name.removeprefix("xkcd:") for name in XKCD_COLORS], 700, 100)


def series(path, columns, split=(0.5, 0.7)):
    r"""Numbers of your own: a UTF-8 CSV file with a header, rows in order of time; `columns` is a name or a list of names.

    `split` gives the fractions of time where validation and test begin; of a short file each part has a row. ValueError names
    the line and column of a value that is missing or not a finite number.
    """
    columns = [columns] if isinstance(columns, str) else columns
    _check_split(split)
    reader = csv.DictReader(io.StringIO(_read(path)))
    _check_columns(path, columns, reader.fieldnames)
    values = [_numbers(path, reader.line_num, columns, row) for row in reader]
    if len(values) < 4:
        raise ValueError(f"{path} must hold at least 4 rows of numbers, to be split; it has {len(values)}")
    return _series(np.array(values), split, path, columns)


def old_faithful(column="duration_minutes"):
    r"""299 eruptions in order: "duration_minutes" or "waiting_minutes". 150 to train, 50 to validate, 99 to test."""
    return series(HERE / "old_faithful.csv", column, (150 / 299, 200 / 299))


def nile():
    r"""The flow of the Nile at Aswan, 1871 to 1970, in 1e8 cubic metres: 50 years to train, 20 to validate, 30 to test."""
    return series(HERE / "nile.csv", "flow_1e8_m3")


def membrane(every=4):
    r"""A neuron's membrane potential, 1.0 to 5.3 s at 2000 / `every` Hz, in mV; the last 30 % to test, 15 % before to validate.

    `every` = n keeps one value of n. From the sample data of your own matplotlib; FileNotFoundError where a distribution
    has left them out.
    """
    import matplotlib

    check_count("every", every)
    if every > 86:
        raise ValueError(f"every must be 86 or less, to leave 100 of the 8600 values; got {every}")
    path = Path(matplotlib.get_data_path()) / "sample_data" / "membrane.dat"
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: this matplotlib comes without its sample data; the one that pip installs has them"
        )
    values = 100.0 * np.fromfile(path, np.float32).astype(float)[2000:10600:every, None]
    return _series(values, (0.55, 0.7), path, ["potential"])


def pad(sequences):
    r"""Sequences of unequal lengths to one array: (T, N) integers padded with -1, or (T, N, M) floats padded with NaN."""
    sequences = [np.asarray(s) for s in sequences]
    if not sequences or min(s.size for s in sequences) == 0:
        raise ValueError("sequences must hold at least one sequence, and none may be empty")
    for n, s in enumerate(sequences):
        if (s.ndim, s.dtype.kind) not in ((1, "i"), (1, "u"), (2, "f")) or s.shape[1:] != sequences[0].shape[1:]:
            wanted = "sequences must be all (T,) integers, or all (T, M) floats with one M"
            raise ValueError(f"{wanted}; the first is {describe(sequences[0])}, and sequence {n} is {describe(s)}")
    empty = -1 if sequences[0].ndim == 1 else np.nan
    X = np.full((max(map(len, sequences)), len(sequences), *sequences[0].shape[1:]), empty)
    for n, s in enumerate(sequences):
        X[: len(s), n] = s
    return X


def windows(X, length):
    r"""One long series (T, 1, M) cut into (length, T // length, M) pieces, to train on in minibatches; a rest is dropped."""
    if not isinstance(X, np.ndarray) or X.ndim != 3 or X.shape[1] != 1:
        raise ValueError(f"X must be one long series, (T, 1, M); got {describe(X)}")
    check_count("length", length)
    if length > len(X):
        raise ValueError(f"length must be in 1..{len(X)}, the length of the series; got {length}")
    N = len(X) // length
    return X[: N * length, 0].reshape(N, length, -1).swapaxes(0, 1).copy()


def markov_chain(rng, P, T, N, first=None):
    r"""x_1 ~ `first`, uniform by default, then x_t ~ P[x_{t-1}]. Returns X (T, N) and the true log p(x_t | x_{t-1}), (T, N)."""
    _check_made(rng, T, N)
    P = np.asarray(P, dtype=float)
    if P.ndim != 2 or P.shape[0] != P.shape[1] or (P < 0).any() or not np.allclose(P.sum(axis=1), 1.0):
        raise ValueError("P must be a square matrix whose rows are probabilities")
    rows = [np.tile(np.full(len(P), 1.0 / len(P)) if first is None else first, (N, 1))]
    X = [draw(rng.random(N), rows[0])]
    for _ in range(T - 1):
        rows.append(P[X[-1]])
        X.append(draw(rng.random(N), rows[-1]))
    X, rows = np.array(X), np.array(rows)
    return X, np.log(np.take_along_axis(rows, X[:, :, None], axis=2)[:, :, 0])


def autoregression(rng, a, s, T, N):
    r"""x_t = a x_{t-1} + s n_t with n_t ~ N(0, 1), x_0 = 0. Returns X (T, N, 1) and the true log p(x_t | x_{t-1}), (T, N)."""
    _check_made(rng, T, N)
    check_positive("s", s)
    if not isinstance(a, Real) or not np.isfinite([a, s]).all():
        raise ValueError(f"a and s must be finite numbers; got {a!r} and {s!r}")
    n, X = rng.standard_normal((T, N)), np.zeros((T + 1, N))
    for t in range(T):
        X[t + 1] = a * X[t] + s * n[t]
    return X[1:, :, None], -0.5 * n**2 - np.log(s) - 0.5 * np.log(2 * np.pi)


def fork(rng, T, N):
    r"""x_t = 0.8 x_{t-1} + z_t + 0.1 n_t, z_t = +-1 with equal chance, x_0 = 0: two modes ahead at each step.

    Returns X (T, N, 1) and the true log p(x_t | x_{t-1}), (T, N).
    """
    _check_made(rng, T, N)
    z, n, X = rng.choice([-1.0, 1.0], (T, N)), rng.standard_normal((T, N)), np.zeros((T + 1, N))
    for t in range(T):
        X[t + 1] = 0.8 * X[t] + z[t] + 0.1 * n[t]
    y = X[1:] - 0.8 * X[:-1]
    near, far = (-0.5 * ((np.abs(y) + away) / 0.1) ** 2 for away in (-1.0, 1.0))
    return X[1:, :, None], np.logaddexp(near, far) - np.log(2 * 0.1 * np.sqrt(2 * np.pi))


def cue_law(n, m):
    r"""The cue language's law: p(x_1), (V,), and P[x_{t-1}, x_t], (V, V), with V = n + C(n, m).

    Symbols 0 .. n-1 are answers; each other symbol, a cue, names a set of m answers. After a cue comes one of its answers, all
    equally likely; after an answer, and first of all, any of the cues.
    """
    sets = cue_sets(n, m)
    any_cue = np.repeat([0.0, 1.0 / len(sets)], [n, len(sets)])
    P = np.tile(any_cue, (n + len(sets), 1))
    P[n:] = 0.0
    P[n + np.arange(len(sets))[:, None], sets] = 1.0 / m
    return any_cue, P


def cue_language(rng, n, m, T, N):
    r"""Words in a context with several modes: cue, answer, cue, answer .. Returns X (T, N) and the true log p(x_t | x_{t-1})."""
    first, P = cue_law(n, m)
    return markov_chain(rng, P, T, N, first)


def symbol_fork_law():
    r"""The fork in 32 symbols at the places y of `FORK_PLACES`: p(x_1), (32,), and P[x_{t-1}, x_t], (32, 32).

    Half of N(0.8 y + 1, 0.15^2) and half of N(0.8 y - 1, 0.15^2), each on the 32 places only; y_0 = 0.
    """
    mean = 0.8 * np.append(0.0, FORK_PLACES)[:, None, None] + np.array([[1.0], [-1.0]])
    bumps = np.exp(-0.5 * ((FORK_PLACES - mean) / 0.15) ** 2)  # (33, 2, 32)
    rows = np.mean(bumps / bumps.sum(axis=2, keepdims=True), axis=1)
    return rows[0], rows[1:]


def symbol_fork(rng, T, N):
    r"""The fork in symbols. Returns X (T, N) and the true log p(x_t | x_{t-1}), (T, N)."""
    first, P = symbol_fork_law()
    return markov_chain(rng, P, T, N, first)


@dataclass(frozen=True)
class Document:
    r"""One long text. train, validation, test: (T, 1) integers, in its order; symbols[v] is symbol v; source: what it is."""

    symbols: tuple
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    source: str


def documentation(level="words", vocabulary=500):
    r"""The help texts of your own Python, `pydoc_data.topics`: 80 % to train, then 10 % to validate, 10 % to test.

    level: "words", which are words and signs, or "characters". The most frequent of the training part are symbols of their own,
    all others are symbol 0. The text depends on the Python version, which `source` tells.
    """
    check_count("vocabulary", vocabulary, least=2)
    if level not in ("words", "characters"):
        raise ValueError(f'level must be "words" or "characters"; got {level!r}')
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise ImportError("this Python comes without pydoc_data, its help texts; the one from python.org has them") from error
    text = "".join(topics[name] for name in sorted(topics))
    parts = re.findall(r"\w+|[^\w\s]" if level == "words" else "(?s).", text)
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


def _read(path):
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be UTF-8 text; {error}") from error


def _text(lines, train, validation, alphabet=None):
    lines = [lines[i] for i in np.random.default_rng(0).permutation(len(lines))]  # a fixed split, whoever calls
    parts = lines[:train], lines[train : train + validation], lines[train + validation :]
    advice = ", made from the training lines; give an alphabet to admit it" if alphabet is None else ""
    alphabet = "".join(sorted({END, *("".join(parts[0]) if alphabet is None else alphabet)}))
    return Text(alphabet, *(pad([_indices(line, alphabet, advice) for line in part]) for part in parts))


def _indices(line, alphabet, advice=""):
    if END in line:
        raise ValueError(f"{END!r} ends a sequence and must not stand inside one; got {line!r}")
    for symbol in line:
        if symbol not in alphabet:
            raise ValueError(f"{symbol!r} in {line!r} is not in the alphabet {alphabet!r}{advice}")
    return np.array([alphabet.index(symbol) for symbol in line + END])


def _series(values, split, path, columns):
    T = len(values)
    validation = min(max(2, round(split[0] * T)), T - 2)  # one row alone cannot vary, and the other parts need one each
    test = min(max(validation + 1, round(split[1] * T)), T - 1)
    for name, column in zip(columns, values[:validation].T, strict=True):
        if (column == column[0]).all():
            raise ValueError(f"{path}: column {name!r} must vary in the training part; it is {column[0]} throughout")
    mean, scale = values[:validation].mean(axis=0), values[:validation].std(axis=0)
    X = ((values - mean) / scale)[:, None]
    return Series(X, slice(0, validation), slice(validation, test), slice(test, T), mean, scale)


def _check_split(split):
    if not isinstance(split, (tuple, list)) or len(split) != 2 or not all(isinstance(part, Real) for part in split):
        raise ValueError(f"split must be two fractions of time; got {split!r}")
    if not 0 < split[0] < split[1] < 1:
        raise ValueError(f"split must be two fractions a, b with 0 < a < b < 1, where validation and test begin; got {split!r}")


def _check_columns(path, columns, header):
    if not isinstance(columns, (list, tuple)) or not columns or not all(isinstance(name, str) for name in columns):
        raise ValueError(f"columns must be a name or a list of names; got {columns!r}")
    for name in columns:
        if (header or []).count(name) != 1:
            found = "no" if name not in (header or []) else "more than one"
            raise ValueError(
                f"{path} has {found} column {name!r}; it has {', '.join(header) if header else 'no header, it is empty'}"
            )


def _numbers(path, line, columns, row):
    if None in row:
        raise ValueError(f"{path}, line {line}: more values than the header has names (a decimal comma?); left over: {row[None]}")
    return [_number(path, line, name, row[name]) for name in columns]


def _number(path, line, name, text):
    try:
        value = np.nan if "_" in text else float(text)  # float() reads "1_0" as 10
    except (TypeError, ValueError):
        value = np.nan
    if not np.isfinite(value):
        found = "nothing" if not text else repr(text)
        raise ValueError(f"{path}, line {line}: column {name!r} must hold a finite number; got {found}")
    return value
