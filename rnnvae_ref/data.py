r"""q(X): sequences of symbols (`Text`) and series of numbers (`Series`).

The split into train, validation and test is the same at each call: lines are split at random, all
else in its order. The files, and `SOURCES.md` about them, are in `rnnvae_ref/datasets/`."""

import csv
from dataclasses import dataclass
from numbers import Integral, Real
from os import PathLike
from pathlib import Path

import numpy as np

from rnnvae_ref.emissions import Categorical
from rnnvae_ref.numerics import check, check_count, plain_array

HERE = Path(__file__).parent / "datasets"
END = "\n"  # ends every line: a symbol that is predicted and counted like others
MOST_BYTES = 2**30  # of the largest file, and of the largest text when padded
DECIMALS = {".": str.maketrans("_", "?"), ",": str.maketrans("_.,", "??.")}


@dataclass(frozen=True)
class Text:
    r"""Sequences of symbols. train, validation, test: (T, N) integers, -1 after an end, or None if
    the text comes from `load`;  alphabet[v] is symbol v;  lines: True if each sequence is a line
    and ends with the end symbol, False for pieces of a running text."""

    alphabet: str
    train: np.ndarray = None
    validation: np.ndarray = None
    test: np.ndarray = None
    lines: bool = True

    def encode(self, lines, end=None):
        r"""A list of strings to (T, N) integers. end: add the end symbol, by default to lines, but
        not (False) to the beginning of a line that `sample(prefix=...)` shall continue."""
        strings = isinstance(lines, (list, tuple)) and all(isinstance(s, str) for s in lines)
        check(strings, "lines must be a list of strings", lines)
        check(isinstance(end, (bool, type(None))), "end must be True, False or None", end)
        ended = END * (self.lines if end is None else end)
        place = {symbol: v for v, symbol in enumerate(self.alphabet)}
        for line in lines:
            inside = self.lines and END in line
            check(not inside, f"{END!r} ends a line and must not be in one", line)
            unknown = {*line, *ended} - place.keys()
            if unknown:
                found = f"{min(unknown)!r} in {line + ended!r}"
                raise ValueError(f"{found} is not in the alphabet {self.alphabet!r}")
        return pad([[place[symbol] for symbol in line + ended] for line in lines])

    def decode(self, X):
        r"""(T, N) integers to strings: lines are cut at their end symbol, all at their padding."""
        Categorical(len(self.alphabet)).prepare(X)
        found = ["".join(self.alphabet[v] for v in column if v >= 0) for column in X.T]
        return [line.split(END)[0] for line in found] if self.lines else found

    def repeated(self):
        r"""How many of the held-out sequences are also in the training part, and of how many."""
        seen = {*self.decode(self.train)}
        held_out = self.decode(self.validation) + self.decode(self.test)
        return sum(line in seen for line in held_out), len(held_out)


@dataclass(frozen=True)
class Series:
    r"""One long sequence. X (T, 1, M), standardised by its training part; the parts are slices.

    log_likelihood_steps(rnn, theta, s.X)[s.test] scores the test part given all its past. mean,
    scale (M,) are in the file's units: there a score, a step, is less by the sum of log scale."""

    X: np.ndarray
    train: slice
    validation: slice
    test: slice
    mean: np.ndarray
    scale: np.ndarray

    def encode(self, values):
        r"""Other values in the units of the file, (T,) or (T, M), to X, (T, 1, M)."""
        found = np.asanyarray(values)
        found = found[:, None] if found.ndim == 1 else found
        numbers = plain_array(found) and found.dtype.kind in "iuf" and found.size
        fits = numbers and found.shape[1:] == self.mean.shape and np.isfinite(found).all()
        check(fits, f"values must be finite numbers, (T, {len(self.mean)})", values)
        return ((found - self.mean) / self.scale)[:, None]

    def decode(self, X):
        r"""Standardised numbers (.., M), such as draws, in the units of the file."""
        return X * self.scale + self.mean


def characters(path, alphabet="file"):
    r"""Text of your own: a UTF-8 file, a sequence a line, blank lines skipped; split 70 : 15 : 15.

    alphabet: "file", all symbols of the file; "train", those of the training part, where any other
    is an error; or a string of all symbols. A million short lines take about 10 s and half a GB."""
    lines = [line for line in _read(path).split(END) if line.strip()]
    return _text(path, lines, alphabet)


def text(path, length):
    r"""Running text of your own: a UTF-8 file in pieces of `length` symbols, line ends among them.

    Split 70 : 15 : 15 in order; a rest is dropped. A model begins each piece at h_1 anew."""
    check_count("length", length)
    symbols = _read(path)
    starts = range(0, len(symbols) - length + 1, length)
    return _text(path, [symbols[i : i + length] for i in starts], lines=False)


def colour_names():
    r"""The 949 colour names of the xkcd survey (CC0), from your matplotlib: 700, 100 and 149."""
    from matplotlib.colors import XKCD_COLORS  # here, as its import is slow

    names = [name.removeprefix("xkcd:") for name in XKCD_COLORS]
    return _text("matplotlib", names, split=(700, 800))


def series(path, columns, split=(0.5, 0.7), *, header=True, delimiter=None, decimal=".", rows=None):
    r"""Numbers of your own: a UTF-8 CSV file, rows in order of time; blank and # lines are skipped.

    columns: a name, or a number where 0 is the first column, or a list of them;  split: fractions
    of time where validation and test begin;  header: the first line holds names;  delimiter: by
    default the first of tab, ; | , and blank that splits the first two lines;  decimal: "." or ",";
    rows: a slice of the rows that are wanted.
    ValueError names the first row of another length or with an open quote, and the first lines,
    eight at most, where a value is missing or not a finite number."""
    columns = list(columns) if np.ndim(columns) else [columns]
    check(columns, "columns must name at least one column", columns)
    check(isinstance(header, bool), "header must be True or False", header)
    check(decimal in [*DECIMALS], 'decimal must be "." or ","', decimal)
    check(isinstance(rows, (slice, type(None))), "rows must be a slice or None", rows)
    table = _table(path, delimiter, decimal)
    names = table.pop(0)[1] if header else [*map(str, range(len(table[0][1])))]
    by_name = any(isinstance(name, str) for name in columns)
    numbers = np.isfinite([_number(name, decimal) for name in names]).all()
    if header and numbers and not by_name:
        raise ValueError(f"{path} has numbers only in its first line; then give header=False")
    at = [_place(path, name, names) for name in columns]
    values = _numbers(path, table[rows or slice(None)], at, names, decimal)
    return _series(values, split, path, [names[k] for k in at])


def old_faithful(column="duration_minutes"):
    r"""299 eruptions in order, "duration_minutes" or "waiting_minutes": 150, 50 and 99 of them."""
    return series(HERE / "old_faithful.csv", column, (150 / 299, 200 / 299))


def nile():
    r"""The flow of the Nile at Aswan, 1871 to 1970, in 1e8 cubic metres: 50, 20 and 30 years."""
    return series(HERE / "nile.csv", "flow_1e8_m3")


def pad(sequences):
    r"""Sequences of unequal lengths to (T, N) integers, -1 at ends, or (T, N, M) floats, NaN."""
    many = isinstance(sequences, (list, tuple)) or np.ndim(sequences) > 0
    check(many, "sequences must be a list of arrays", sequences)
    sequences = [np.asanyarray(s) for s in sequences]
    filled = len(sequences) > 0 and min(s.size for s in sequences) > 0
    check(filled, "sequences must hold at least one, and none may be empty", sequences)
    rest = sequences[0].shape[1:]  # () or (M,)
    for n, s in enumerate(sequences):
        fits = plain_array(s) and (s.ndim, s.dtype.kind) in ((1, "i"), (1, "u"), (2, "f"))
        wanted = f"sequences[{n}] must be (T,) integers or (T, M) floats, all of one kind and M"
        check(fits and s.shape[1:] == rest, wanted, s)
    padding = np.nan if rest else -1
    X = np.full((max(map(len, sequences)), len(sequences), *rest), padding)
    for n, s in enumerate(sequences):
        X[: len(s), n] = s
    return X


def windows(X, length):
    r"""One long series (T, 1, M) in pieces, (length, T // length, M); a rest is dropped."""
    one = plain_array(X) and X.ndim == 3 and X.shape[1] == 1
    check(one, "X must be one series, (T, 1, M)", X)
    check_count("length", length, most=len(X))
    N = len(X) // length
    return X[: N * length, 0].reshape(N, length, -1).swapaxes(0, 1).copy()


def check_path(path):
    r"""The name of a file as a Path, or ValueError."""
    check(isinstance(path, (str, PathLike)), "path must name a file", path)
    return Path(path)


def _read(path):
    path = check_path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} must be a file, and is a folder")
    wanted = f"{path} must be UTF-8 text of at most 1 GiB, not binary, UTF-16 or Latin-1"
    check(path.stat().st_size <= MOST_BYTES, wanted, path.stat().st_size)
    try:
        found = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{wanted}; {error}") from error
    check("\0" not in found, wanted, "\0")
    return found


def _text(path, found, alphabet="file", lines=True, split=None):
    r"""A Text of the strings found: lines in a random order, always the same; pieces in theirs."""
    N = len(found)
    if N < 3:
        what = "lines that are not blank" if lines else "pieces"
        raise ValueError(f"{path} must hold at least 3 {what}, to be split; it has {N}")
    longest = max(map(len, found))
    if 8 * N * longest > MOST_BYTES:
        advice = "cut long lines, or use data.text()" if lines else "cut the file"
        raise ValueError(f"{path} takes over 1 GiB, {N} times {longest} symbols: {advice}")
    wanted = 'alphabet must be "file", "train" or a string of all symbols'
    check(isinstance(alphabet, str), wanted, alphabet)
    order = np.random.default_rng(0).permutation(N) if lines else np.arange(N)
    held_out = max(1, round(0.15 * N))
    split = split or (N - 2 * held_out, N - held_out)
    parts = [[found[i] for i in part] for part in np.split(order, split)]
    known = {"file": "".join(found), "train": "".join(parts[0])}.get(alphabet, alphabet)
    alphabet = "".join(sorted({*known, *END * lines}))
    return Text(alphabet, *map(Text(alphabet, lines=lines).encode, parts), lines=lines)


def _table(path, delimiter, decimal):
    r"""[(line number, fields)] of a CSV file, each line a row, with as many fields as the first."""
    lines = [(n, s.strip(" ")) for n, s in enumerate(_read(path).split("\n"), 1)]
    lines = [(n, s) for n, s in lines if s and not s.lstrip().startswith("#")]
    if not lines:
        raise ValueError(f"{path} must hold rows of numbers; it is empty")
    if delimiter is None:
        splits = lambda d: d != decimal and all(d in s for _, s in lines[:2])
        delimiter = next(filter(splits, "\t;|, "), ";" if decimal == "," else ",")
    options = {"delimiter": delimiter, "skipinitialspace": True, "strict": True}
    table = []
    for n, line in lines:
        try:
            fields = next(csv.reader([line], **options))
        except (csv.Error, TypeError) as error:  # such as an open quote
            raise ValueError(f"{path}, line {n}: {error}") from error
        table.append((n, [field.strip() for field in fields]))
        width = len(table[0][1])
        if len(fields) != width:
            found = f"{len(fields)} fields with {delimiter!r} between"
            why = f"the first line has {width}; a decimal comma needs decimal=','"
            raise ValueError(f"{path}, line {n}: {found}, {why}")
    return table


def _place(path, name, names):
    r"""The index of a column, given by its name or its number."""
    number = isinstance(name, Integral) and not isinstance(name, bool)
    if number and 0 <= name < len(names):
        return name
    count = names.count(name)
    if count != 1:
        found = f"{'more than one' if count else 'no'} column {name!r}; it has {', '.join(names)}"
        hint = "; without a line of names give header=False (or --no-header)"
        raise ValueError(f"{path} has {found}{hint * str(name).isdecimal()}")
    return names.index(name)


def _numbers(path, table, at, names, decimal):
    if len(table) < 4:
        raise ValueError(f"{path} must hold at least 4 rows of numbers; it has {len(table)}")
    values = np.array([[_number(fields[k], decimal) for k in at] for _, fields in table])
    finite = np.isfinite(values)
    gaps = np.flatnonzero(~finite.all(axis=1))
    if len(gaps):
        where = ", ".join(str(table[i][0]) for i in gaps[:8]) + " .." * (len(gaps) > 8)
        k = at[finite[gaps[0]].argmin()]
        field = table[gaps[0]][1][k]
        raise ValueError(
            f"{path}, line {where}: column {names[k]!r} must hold a finite number"
            f"; got {repr(field) if field else 'nothing'}; cut the series with rows=slice(a, b), or"
            " join its parts with data.pad; a decimal comma needs decimal=',' (or --decimal ,)"
        )
    return values


def _number(text, decimal):
    r"""A number, or nan. float() alone reads "1_0" as 10."""
    try:
        return float(text.translate(DECIMALS[decimal]))
    except ValueError:
        return np.nan


def _series(values, split, path, names):
    pair = isinstance(split, (tuple, list)) and len(split) == 2
    fits = pair and all(isinstance(a, Real) for a in split) and 0 < split[0] < split[1] < 1
    check(fits, "split must be two fractions a, b with 0 < a < b < 1", split)
    T = len(values)
    # One row alone cannot vary, and the other parts need one each.
    a = min(max(2, round(split[0] * T)), T - 2)
    b = min(max(a + 1, round(split[1] * T)), T - 1)
    train = values[:a]
    low, high = train.min(axis=0), train.max(axis=0)
    with np.errstate(all="ignore"):
        mean, scale = train.mean(axis=0), train.std(axis=0)
    varies = (low < high) & (0 < scale) & (scale < np.inf)
    if not varies.all():
        k = varies.argmin()
        wanted = f"{path}: column {names[k]!r} must vary in the training part"
        raise ValueError(f"{wanted}; it goes from {low[k]} to {high[k]}")
    X = ((values - mean) / scale)[:, None]
    return Series(X, slice(0, a), slice(a, b), slice(b, T), mean, scale)
