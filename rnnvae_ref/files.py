r"""save() and load(): a model and its data's alphabet or units in a .npz file, without pickle."""

import json
import zipfile
from contextlib import contextmanager
from dataclasses import asdict
from numbers import Integral

import numpy as np

from rnnvae_ref.data import Series, Text, check_path
from rnnvae_ref.emissions import Categorical, Gaussian
from rnnvae_ref.numerics import atomic_write, describe
from rnnvae_ref.rnn import RNN, check_model

SERIES = "data.X", "data.mean", "data.scale", "data.split"


def save(path, rnn, theta, data=None):
    r"""Write rnn, theta and the alphabet of a `Text`, or a whole `Series`, to a .npz file.

    data: the text or series that theta was trained on. A save that fails leaves the old file."""
    check_model(rnn, theta)
    if not check_path(path).resolve().parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: its folder does not exist")
    kept = _kept(rnn, data)
    plain = lambda v: int(v) if isinstance(v, Integral) else float(v)
    text = json.dumps(asdict(rnn), default=plain)  # np.int64(5) as 5
    with atomic_write(path) as part, open(part, "wb") as file:
        np.savez(file, rnn=text, **theta, **kept)


def load(path, rnn=None, data=None):
    r"""What `save` wrote: (rnn, theta, data), without the lines of a text; or ValueError.

    rnn, data: what the file must match; of data the alphabet, or mean and scale."""
    with open(check_path(path), "rb") as file, _naming(path):
        arrays = _opened(file)
        fields = json.loads(str(arrays["rnn"]))
        emission = fields.pop("emission")
        kind = Categorical if "symbols" in emission else Gaussian
        saved = RNN(kind(**emission), **fields)
        kept = _data(saved, arrays)
        others = {"rnn", *_kept(saved, kept)}
        theta = {k: arrays[k] for k in arrays.files if k not in others}
        saved.check(theta)
    if rnn is not None and (not isinstance(rnn, RNN) or rnn != saved):
        raise ValueError(f"{path} was saved for {saved!r}, not for {rnn!r}")
    if data is not None and _units(data) != _units(kept):
        raise ValueError(f"{path} was saved with {_units(kept)}, not with {_units(data)}")
    return saved, theta, kept


@contextmanager
def _naming(path):
    r"""Errors name the file: for a damaged one zipfile, zlib and numpy know a dozen kinds."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{path} must be a .npz file written by save(); {error}") from error


def _opened(file):
    r"""The arrays, unread. As `save` writes them: not compressed, so no larger than the file."""
    for member in zipfile.ZipFile(file).infolist():
        if member.compress_type != zipfile.ZIP_STORED or member.comment or member.extra:
            raise ValueError("it is compressed, or has comments or extra fields")
    file.seek(0)
    return np.load(file, allow_pickle=False)


def _kept(rnn, data):
    r"""What of `data` goes into the file. It must be what the RNN's emission is about."""
    if data is None:
        return {}
    text = isinstance(data, Text) and isinstance(data.alphabet, str)
    if text and rnn.emission == Categorical(len(data.alphabet)):
        return {"data.text": json.dumps([data.alphabet, data.lines])}
    M = getattr(rnn.emission, "dimensions", 0)
    if isinstance(data, Series) and len(data.mean) == M:
        rnn.emission.prepare(data.X)
        split = a, b = data.validation.start, data.test.start
        parts = data.train, data.validation, data.test
        if parts != (slice(0, a), slice(a, b), slice(b, len(data.X))):
            raise ValueError(f"data must be split as series() does, without gaps; got {parts}")
        values = data.X, data.mean, data.scale, split
        return dict(zip(SERIES, values, strict=True))
    raise ValueError(f"data must be the Text or Series that {rnn!r} is about; got {_units(data)}")


def _data(rnn, arrays):
    r"""The way back from `_kept`."""
    if "data.text" in arrays:
        alphabet, lines = json.loads(str(arrays["data.text"]))
        return Text("".join(alphabet), lines=bool(lines))
    if "data.X" not in arrays:
        return None
    X, mean, scale, split = (arrays[key] for key in SERIES)
    a, b = map(int, split)
    rnn.emission.prepare(X)
    return Series(X, slice(0, a), slice(a, b), slice(b, len(X)), mean, scale)


def _units(data):
    r"""What numbers become, in words: symbols of an alphabet, or units of a file."""
    if isinstance(data, Text):
        return f"the alphabet {data.alphabet!r}" + " in pieces" * (not data.lines)
    if isinstance(data, Series):
        return f"mean {data.mean.tolist()} and scale {data.scale.tolist()}"
    return "no data" if data is None else describe(data)
