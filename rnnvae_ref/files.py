r"""save() and load(): a model in a .npz file, with the alphabet or units of its data; no pickle."""

import ast
import dataclasses
import re
import zipfile
from contextlib import contextmanager

import numpy as np

from rnnvae_ref.data import Series, Text, check_path
from rnnvae_ref.emissions import Categorical, Gaussian
from rnnvae_ref.numerics import atomic_write, describe
from rnnvae_ref.rnn import RNN, check_model


def save(path, rnn, theta, data=None):
    r"""Write rnn, theta and, of `data`, what makes numbers into text or units, to a .npz file.

    data: the `Text` or `Series` that theta was trained on. Of a text the alphabet is kept, of a
    series the whole record, from which forecasts go on. The file is whole or not there at all.
    """
    check_model(rnn, theta)
    rnn.check(theta)
    if not check_path(path).resolve().parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: its folder does not exist")
    kept = _kept(rnn, data)
    with atomic_write(path) as part, open(part, "wb") as file:
        np.savez(file, rnn=repr(rnn), **theta, **kept)


def load(path, rnn=None, data=None):
    r"""Read what `save` wrote: (rnn, theta, data). `data` is None where none was saved.

    rnn, data: where given, what the file must match; of data the alphabet, or mean and scale. A
    text comes back without its lines, with `encode` and `decode`; a series comes back whole.
    ValueError names the file.
    """
    with open(check_path(path), "rb") as file:
        with _naming(path):
            arrays = _opened(file)
            saved = _rnn(str(arrays["rnn"]))
        if rnn is not None and not (isinstance(rnn, RNN) and rnn == saved):
            raise ValueError(f"{path} was saved for {saved!r}, not for {rnn!r}")
        with _naming(path):
            theta = {key: arrays[key] for key in arrays.files if key != "rnn" and "." not in key}
            saved.check(theta)
            kept = _data(saved, arrays)
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
    r"""The arrays, not read yet, and no longer than the file: `save` compresses none."""
    members = zipfile.ZipFile(file).infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("it is compressed")
    if any(member.comment or member.extra for member in members):
        raise ValueError("its directory is damaged")  # a comment can swallow what follows it
    if "rnn.npy" not in [member.filename for member in members]:
        raise ValueError("it names no model")
    file.seek(0)
    return np.load(file, allow_pickle=False)


def _rnn(text):
    r"""The RNN whose repr is `text`; np.int64(5) in it is 5."""
    found = re.findall(r"(\w+)=('\w+'|[\w.+-]+)", re.sub(r"np\.\w+\(([^()]*)\)", r"\1", text))
    values = {key: ast.literal_eval(word) for key, word in found if key != "emission"}
    kind = {"Categorical": Categorical, "Gaussian": Gaussian}[dict(found)["emission"]]
    of_emission = {field.name for field in dataclasses.fields(kind)} & {*values}
    emission = kind(**{name: values.pop(name) for name in of_emission})
    return RNN(emission, **values)


def _kept(rnn, data):
    r"""What of `data` goes into the file. It must be what the RNN's emission is about."""
    kind = rnn.emission
    if data is None:
        return {}
    if isinstance(data, Text) and kind == Categorical(len(data.alphabet)):
        places = np.array([ord(symbol) for symbol in data.alphabet])
        return {"data.alphabet": places, "data.lines": np.array(data.lines)}
    if isinstance(data, Series) and getattr(kind, "dimensions", None) == len(data.mean):
        split = np.array([data.validation.start, data.test.start])
        units = {"data.mean": data.mean, "data.scale": data.scale}
        return {"data.X": data.X, "data.split": split, **units}
    raise ValueError(f"data must be the Text or Series that {rnn!r} is about; got {_units(data)}")


def _data(rnn, arrays):
    r"""The way back from `_kept`."""
    data = None
    if "data.alphabet" in arrays.files:
        alphabet = "".join(map(chr, arrays["data.alphabet"]))
        data = Text(alphabet, lines=bool(arrays["data.lines"]))
    elif "data.X" in arrays.files:
        a, b = map(int, arrays["data.split"])
        X, mean, scale = (arrays[f"data.{key}"] for key in ("X", "mean", "scale"))
        rnn.emission.prepare(X)
        data = Series(X, slice(0, a), slice(a, b), slice(b, len(X)), mean, scale)
    if {key for key in arrays.files if "." in key} != {*_kept(rnn, data)}:
        raise ValueError(f"it holds {', '.join(arrays.files)}")
    return data


def _units(data):
    r"""What numbers become, in words: symbols of an alphabet, or units of a file."""
    if isinstance(data, Text):
        return f"the alphabet {data.alphabet!r}" + " in pieces" * (not data.lines)
    if isinstance(data, Series):
        return f"mean {data.mean.tolist()} and scale {data.scale.tolist()}"
    return "no data" if data is None else describe(data)
