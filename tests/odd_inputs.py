"""Random odd inputs to every public function of the core: none may give a wrong number in silence.

    python -m tests.odd_inputs [--n 10000] [--seed 0] [--module NAME] [--show 20]

One input in ten is legal. In all others one argument is replaced by something odd, or two are
swapped. Every outcome falls into one class:

    right       a finite result; -inf only from functions that give log probabilities
    sentence    a ValueError that names a parameter of the function or a key of theta
    deep        any other error
    silent      nan or inf in the result
    nonsense    a result from what can mean nothing (text, a masked array, nan in theta), or a
                legal input refused
    slow        longer than ten seconds of processor time

It prints the counts, and fails where one of the last three occurs or less than 97 % are of the
first two. Rooms, which get only what a door has checked, and training, files and data are in the
table and not in the judgement.
"""

import argparse
import dataclasses
import inspect
import itertools
import os
import re
import signal
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np

from rnnvae_ref import data, enumeration, log_likelihood, save
from rnnvae_ref.emissions import Categorical, Gaussian
from rnnvae_ref.laws import TWO_POINT, Discrete, Normal
from rnnvae_ref.rnn import RNN, F, table

MODULES = (
    "numerics", "kernels", "laws", "emissions", "rnn", "likelihood", "inference", "enumeration",
    "quadrature", "kalman", "bound", "noise", "appendix", "particles", "examples",
    "paper",
)  # fmt: skip
OTHERS = ("sampling", "training", "files", "data")  # in the table, and not in the judgement
CLASSES = ("right", "sentence", "deep", "silent", "nonsense", "slow")
SECONDS, MEMORY = 10, 4 << 30

# Any value is right here.
TAKES_ANYTHING = set("""
    describe plain_array untraced tape
""".split())  # fmt: skip
# Behind the doors: they get what a door has checked, and are counted apart.
ROOMS = set("""
    log_sum_exp log_mean_exp log_sigmoid increments draw weighted_mean rollout log_categorical
    log_gaussian log_forward forward Categorical.table Gaussian.table Categorical.shapes
    Gaussian.shapes traced Normal.log_p_h Discrete.log_p_h
""".split())  # fmt: skip
# The caller of a check or of a draw writes these down.
SETTINGS = set("""
    name least most finite kinds nonzero shapes shape
""".split())  # fmt: skip
# They take no data, write a file, or are a whole program.
LEFT_OUT = set("""
    Fit value_and_gradient clipped flatten minibatch
    atomic_write checkout evaluate evaluated Equation proposition sources isbox
    initial_state check
""".split())  # fmt: skip
# Their results are never the log of 0.
NEVER_IMPOSSIBLE = set("""
    penalty density scale sample gauss_hermite f F
""".split())  # fmt: skip


class Slow(Exception):
    """More than SECONDS."""


# good arguments


def scene(rng, module, name):
    """Good arguments by name: a small model that fits the module, and what belongs to it."""
    linear = module == "kalman" or rng.random() < 0.3
    gaussian = (
        module == "kalman"
        or name == "forecast"
        or "Gaussian" in name
        or (rng.random() < 0.5 and "Categorical" not in name)
    )
    discrete = module in ("enumeration", "bound", "noise", "appendix") or rng.random() < 0.5
    D = 1 if module in ("appendix", "quadrature") else int(rng.integers(1, 3))
    L = 2 if module in ("appendix", "particles") else 1
    T, N, M = (int(rng.choice(sizes)) for sizes in ([1, 2, 3], [1, 3], [1, 2]))
    emission = Gaussian(M, float(rng.choice([0.0, 0.1]))) if gaussian else Categorical(3)
    rnn = RNN(emission, D, L, "linear" if linear else "tanh")
    theta = rnn.init(rng) | {"v": rng.standard_normal(D)}
    X = rng.standard_normal((T, N, M)) if gaussian else rng.integers(0, 3, (T, N))
    law = Discrete((-1.0, 1.0), (0.3, 0.7)) if discrete else Normal(0.5)
    q = TWO_POINT if discrete else Normal()
    eps, log_w = enumeration.paths(TWO_POINT, T, D)
    eps = np.broadcast_to(eps, (T - 1, len(log_w), L, N, D)).copy()
    series = data.Series(
        np.zeros((3, 1, M)), slice(0, 1), slice(1, 2), slice(2, 3), np.zeros(M), np.ones(M)
    )
    few = module == "quadrature"  # its sigma is one number
    return {
        "rnn": rnn, "theta": theta, "X": X,
        "sigma": 0.5 if few or rng.random() < 0.7 else np.full(D, 0.5), "eps": eps, "log_w": log_w,
        "H": F(rnn, theta, X, eps, 0.5), "law": law, "p": law, "q": q, "evidence": np.zeros(N),
        "logit_rho": 0.3, "P1": 0.1 * np.eye(D), "points": 300, "T": T, "D": D, "N": N,
        "ell": table(rnn, theta, X),
        "h": rng.standard_normal((N, D)),
        "x": X[0], "t": 0, "grid": rng.standard_normal((5, M)) if gaussian else None,
        "rng": np.random.default_rng(0), "scale": 1.0, "apart": False, "n": 3,
        "a": rng.standard_normal((4, 3)), "axis": 0, "u": rng.random(4), "name": "value",
        "value": 1.0, "least": 0, "most": 5, "finite": True, "shape": (2, 1), "shapes": [()],
        "nonzero": True, "kinds": (Normal, Discrete), "emission": emission, "hidden": D,
        "particles": L, "transition": "tanh", "symbols": 3, "dimensions": 2, "min_scale": 0.1,
        "mean": 0.5, "nodes": (-1.0, 1.0), "weights": (0.3, 0.7), "rounding": 0.0,
        "noise": 0.5 * eps, "linear": linear, "kept": None, "W": 0.6, "U": 0.3, "s": 0.5,
        "number": 5, "log_weight": rng.standard_normal((2, 4, N)), "i": 0, "seed": 0, "steps": 3,
        "draws": 4, "prefix": None, "temperature": 1.0, "levels": (5, 95), "end": None, "m": 2,
        "length": 2, "every": 2, "batch": 2, "patience": 3, "step_size": 0.01, "clip": 1.0,
        "method": "adam", "validate": None, "data": None, "delimiter": None,
        "objective": lambda th, X, rng: log_likelihood(rnn, th, X), "split": (0.5, 0.7),
        "header": True, "decimal": ".", "rows": None, "columns": "x", "column": "waiting_minutes",
        "lines": ["ab", "ba"], "values": np.ones((3, 1)), "alphabet": "ab",
        "sequences": [np.arange(3), np.arange(2)], "P": np.full((2, 2), 0.5), "first": None,
        "level": "words", "train": slice(0, 1), "validation": slice(1, 2), "test": slice(2, 3),
        "series": series,
    }  # fmt: skip


def fitting(name, module, good):
    """Where one name means two things."""
    if name in ("log_sum_exp", "log_mean_exp"):
        good["axis"] = -2
    if name == "draw":
        good["p"] = np.full((4, 3), 1 / 3)
    if name in ("weighted_mean", "check_log_weights"):
        good |= {"a": np.ones((2, 3, 2)), "log_w": np.log(np.full(3, 1 / 3)), "shape": (3, 2)}
    if name == "check_count":
        good["value"] = 3
    if name == "log_p_h":
        good["eps"] = good["eps"][..., :1] * 0 + 1.0
    if name == "expected_log_likelihood":  # the posterior's weights are each sequence's own
        good["log_w"] = np.repeat(good["log_w"][:, None], good["N"], axis=1)
    if name == "check_parameters":
        good["shapes"] = {"W": [good["theta"]["W"].shape]}
        good["theta"] = {"W": good["theta"]["W"]}
    if module == "emissions":  # they look at these keys only
        used = {"Gaussian.scale": ("log_s",)}.get(name, ("C", "c", "log_s"))
        good["theta"] = {key: good["theta"][key] for key in used if key in good["theta"]}
    if name in ("save", "load"):
        good["path"] = Path("model.npz")
        save(good["path"], good["rnn"], good["theta"])
    if name in ("characters", "text", "series", "check_path"):
        good["path"] = Path("lines.txt" if name != "series" else "numbers.csv")
        good["path"].write_text(
            "ab\nba\naab\nb\n" * 5
            if name != "series"
            else "t,x\n" + "".join(f"{t},{t * t}\n" for t in range(20))
        )
    if name == "autoregression":
        good |= {"a": 0.5, "s": 0.5}
    if module == "examples":
        good["x"] = -2.0
    if module == "paper":
        good |= {"emission": "gaussian", "q": TWO_POINT}
    if module == "kernels":
        good["theta"] = {key: good["theta"][key] for key in good["rnn"].shapes()}
        good["ell"] = good["a"][:, :, None]
    return good


def parameters(call):
    known = inspect.signature(getattr(call, "fun", call)).parameters
    return {n: p for n, p in known.items() if n != "self" and p.kind is not p.VAR_POSITIONAL}


def doors(module):
    """(name, how to get what to call from the good arguments) of all that is public."""
    home = import_module(f"rnnvae_ref.{module}")
    for name, item in vars(home).items():
        plain = getattr(item, "fun", item)  # what autograd's `primitive` holds
        if (
            name.startswith("_")
            or name in LEFT_OUT
            or getattr(plain, "__module__", "") != home.__name__
        ):
            continue
        if callable(item) and parameters(item):
            yield name, lambda good, item=item: item
        if inspect.isclass(item) and item.__name__ in INSTANCES:
            for method, what in vars(item).items():
                if callable(what) and not method.startswith("_") and parameters(what):
                    yield (
                        f"{name}.{method}",
                        lambda good, item=item, m=method: getattr(
                            INSTANCES[item.__name__](good), m
                        ),
                    )


INSTANCES = {
    "RNN": lambda good: good["rnn"],
    "Categorical": lambda good: good["emission"],
    "Gaussian": lambda good: good["emission"],
    "Text": lambda good: data.Text("ab"),
    "Series": lambda good: good["series"],
    "Normal": lambda good: Normal(0.5),
    "Discrete": lambda good: Discrete((-1.0, 1.0), (0.3, 0.7)),
}


# odd ones


def odd(value, name, optional, rng):
    """(something odd in place of a good value, whether a result from it would be nonsense)."""
    if rng.random() < 0.35 or callable(value):
        return odd_kind(value, rng)
    if name == "theta":
        return odd_theta(value, rng)
    if isinstance(value, np.ndarray):
        return odd_array(value, name, rng)
    if isinstance(value, RNN):
        return odd_rnn(value, rng), False
    if isinstance(value, (bool, str)):
        return odd_kind(value, rng)
    if isinstance(value, int):
        choices = [0, -1, 10**9, 2.5, np.nan, True, np.int64(2), float(value), [value], np.inf]
        return choices[rng.integers(len(choices))], False
    if isinstance(value, float):
        choices = [
            0.0, -1.0, 1e200, 1e-200, 1, np.float64(2.0), [value], np.array([value]), 7.0, 1e6,
            50.0, 1e-5,
        ]  # fmt: skip
        bad = [np.nan, np.inf, -np.inf, value + 1j, np.ma.array([value], mask=[True])]
        i = int(rng.integers(len(choices) + len(bad)))
        finite = i < len(choices) or (name == "logit_rho" and i != len(choices))
        return (choices + bad)[i], not finite
    if isinstance(value, tuple):
        choices = [
            (), value[:1], value * 2, (np.nan,) * len(value), ("a",) * len(value), list(value),
            (0.5, 0.5), (-1, 1),
        ]  # fmt: skip
        return choices[rng.integers(len(choices))], False
    return odd_kind(value, rng)


def odd_kind(value, rng):
    """Another kind of thing altogether."""
    kinds = [
        "abc", b"abc", object(), type(value), {}, [], lambda: 0, RNN, Categorical(4), np.ma.masked,
        "", 1 + 2j, None, np.array(None),
    ]  # fmt: skip
    kind = kinds[rng.integers(len(kinds))]
    same = (
        isinstance(kind, type(value))
        or (callable(kind) and callable(value))
        or (isinstance(value, (Categorical, Gaussian)) and isinstance(kind, Categorical))
    )
    return kind, kind is not None and not same


def odd_array(a, name, rng):
    """An array with something wrong, or with another shape, type or size."""
    floats = a.astype(float)
    spoiled = floats.copy()
    if spoiled.size:
        spoiled.flat[rng.integers(spoiled.size)] = rng.choice([np.nan, np.inf, -np.inf])
    changed = floats.copy()
    if changed.size:
        changed.flat[rng.integers(changed.size)] = rng.choice(
            [1e200, -1e300, 1e-300, 7.0, -1.0, 1e6]
        )
    wrong = [
        np.ma.array(a, mask=np.zeros(a.shape)), a.astype(complex), a.astype(str),
        np.matrix(a.reshape(-1)), spoiled,
    ]  # fmt: skip
    maybe = [
        a.T, a[None], a[..., None], a[:-1], np.concatenate([a, a]), a[..., :0], a[:0],
        a.astype(int), a.astype(np.float32), changed, a.reshape(-1), a.tolist(), a[::-1],
        np.zeros_like(a), a * 0 + 3, floats * 1e200, floats * 1e-300, a[..., :1], a[:1],
        np.array(5), np.asfortranarray(a), a.astype(object), a.astype(bool), a - 1,
        a.astype(np.int8),
    ]  # fmt: skip
    i = int(rng.integers(len(wrong) + len(maybe)))
    end = name == "X" or not spoiled.size  # nan at the end of a sequence is legal
    log_of_0 = name in ("ell", "a") and spoiled.min(initial=0) == -np.inf
    legal = ((end or log_of_0) and i == len(wrong) - 1) or (not a.size and i == 3)
    return (wrong + maybe)[i], i < len(wrong) and not legal


def odd_theta(theta, rng):
    """A dict with one key gone, one too many, or one odd array."""
    key = list(theta)[rng.integers(len(theta))]
    if rng.random() < 0.2:
        return {k: v for k, v in theta.items() if k != key}, key != "v"
    if rng.random() < 0.2:
        return theta | {"extra": np.zeros(2)}, False
    if rng.random() < 0.3:
        size = float(rng.choice([1e3, 1e10, 1e100, 1e200, 1e300, 1e-300]))
        return theta | {key: theta[key] * size}, False
    value, never = (
        odd_array(theta[key], key, rng) if rng.random() < 0.7 else odd_kind(theta[key], rng)
    )
    return theta | {key: value}, never


def odd_rnn(rnn, rng):
    """Another structure than the one that theta and X belong to."""
    other = Gaussian(3) if isinstance(rnn.emission, Categorical) else Categorical(2)
    changes = [
        {"hidden": rnn.hidden + 1}, {"particles": 3}, {"transition": "linear"},
        {"transition": "tanh"}, {"emission": other}, {},
    ]  # fmt: skip
    return replace(rnn, **changes[rng.integers(len(changes))])


# outcomes


def attempt(call, arguments):
    """(class, what came) of one call; a result that may still be nonsense is "right"."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        keyword = {n for n, p in parameters(call).items() if p.kind is p.KEYWORD_ONLY}
        return "right", call(
            *(a for n, a in arguments.items() if n not in keyword),
            **{n: a for n, a in arguments.items() if n in keyword},
        )
    except Slow:
        return "slow", ""
    except ValueError as error:
        text = str(error)
        theta = arguments.get("theta")
        names = {*arguments, *(map(str, theta) if isinstance(theta, dict) else ())}
        names |= {"X", arguments.get("name", "X")}
        found = any(re.search(rf"(?<!\w){re.escape(str(name))}(?!\w)", text) for name in names)
        ours = error_is_ours(error)
        return ("sentence" if found and ours else "deep"), text
    except Exception as error:
        return "deep", f"{type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def error_is_ours(error):
    """Raised by a line of the package, and not by numpy on its behalf."""
    trace = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    return "rnnvae_ref" in trace.tb_frame.f_code.co_filename


def numbers(result):
    """All floats in a result, whatever holds them."""
    if isinstance(result, (float, np.ndarray, np.number)):
        yield from np.ravel(result) if np.asarray(result).dtype.kind in "fc" else ()
    elif isinstance(result, dict):
        yield from (x for value in result.values() for x in numbers(value))
    elif isinstance(result, (list, tuple)):
        yield from (x for value in result for x in numbers(value))
    elif dataclasses.is_dataclass(result) and not isinstance(result, type):
        yield from (x for value in vars(result).values() for x in numbers(value))


def silent(name, result):
    """Whether a result holds nan or inf, or -inf where nothing is a log probability."""
    values = np.array(list(numbers(result)))
    lowest = name.split(".")[-1] in NEVER_IMPOSSIBLE
    return bool(
        np.isnan(values).any() or (values == np.inf).any() or (lowest and np.isinf(values).any())
    )


def once(rng, module, name, get):
    """(class, story) of one random input to one function."""
    good = fitting(name, module, scene(rng, module, name))
    call = get(good)
    known = parameters(call)
    arguments = {
        n: good[n] if rng.random() < 0.8 or p.default is p.empty else p.default
        for n, p in known.items()
    }
    if (
        "eps" in arguments
        and "sigma" in arguments
        and (arguments["eps"] is None) != (arguments["sigma"] is None)
    ):
        arguments |= {"eps": good["eps"], "sigma": good["sigma"]}
    if name == "expected_log_likelihood":  # the posterior's weights, or nothing
        arguments["log_w"] = good["log_w"]
    if arguments.get("eps", 0) is None:
        arguments = {n: None if n == "log_w" else a for n, a in arguments.items()}
    what, never, chance = "legal", False, rng.random()
    free = [n for n in arguments if n not in SETTINGS]
    if chance > 0.2 or (len(free) == 1 and chance > 0.1):
        what = free[rng.integers(len(free))]
        arguments[what], never = odd(arguments[what], what, known[what].default is None, rng)
    elif chance > 0.1:
        i, j = rng.choice(free, 2, replace=False)
        arguments[i], arguments[j] = arguments[j], arguments[i]
        what = f"{i} and {j} swapped"
    kind, result = attempt(call, arguments)
    if kind == "right" and silent(name, result) and name not in TAKES_ANYTHING:
        kind = "silent"
    elif (
        name in ("eq18", "eq25") and what == "q"
    ):  # all lines of the appendix take q; these two do not use it
        pass
    elif kind == "right" and never and name not in TAKES_ANYTHING:
        kind = "nonsense"
    elif kind in ("sentence", "deep") and what == "legal" and not legal_refusal(name, result):
        kind = "nonsense"
    shown = f"{arguments[what]!r:.150}" if what in arguments else ""
    return kind, f"{module}.{name}: {what} {' '.join(shown.split())} -> {str(result)[:150]!r}"


def legal_refusal(name, text):
    """One draw has no error, which T = 1 gives; `predict` needs a grid for numbers."""
    return (name == "K_estimate" and "draws" in text) or (name == "predict" and "grid" in text)


def main():
    """Run and report, in a folder of its own, where a string is a path to `save`."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        code = run()
        os.chdir("/")
    sys.exit(code)


def run():
    parser = argparse.ArgumentParser(description=__doc__ and __doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--module", choices=MODULES + OTHERS)
    parser.add_argument("--show", type=int, default=20)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGPROF, _alarm)
    rng = np.random.default_rng(chosen.seed)
    import resource  # not on Windows, where the tests import this file, too

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    modules = [chosen.module] if chosen.module else MODULES + OTHERS
    every = [(module, name, get) for module in modules for name, get in doors(module)]
    counts, stories = defaultdict(Counter), defaultdict(list)
    done = 0  # of the inputs in the judgement
    for module, name, get in itertools.cycle(every):
        kind, story = once(rng, module, name, get)
        apart = name in ROOMS or module in OTHERS
        counts["(rooms)" if name in ROOMS else f"({module})" if apart else module][kind] += 1
        stories[f"({kind})" if apart else kind].append(story)
        done += not apart or chosen.module in OTHERS
        if done == chosen.n:
            break
    shown = CLASSES[2:] if not chosen.module else (*CLASSES[2:], *(f"({c})" for c in CLASSES[2:]))
    for kind in shown:
        for story in stories[kind][: chosen.show]:
            print(f"{kind}: {story}")
    return report(counts, chosen, len(every))


def report(counts, chosen, functions):
    """Print the table; 1 where it is not good enough."""
    print(
        f"{chosen.n} inputs to doors, seed {chosen.seed}, {functions} functions\n\n{'':12}"
        + "".join(f"{c:>10}" for c in CLASSES)
    )
    total = sum((count for module, count in counts.items() if module[0] != "("), Counter())
    for module, count in [*sorted(counts.items()), ("all doors", total)]:
        print(f"{module:12}" + "".join(f"{count[c]:10}" for c in CLASSES))
    if not total:
        return 0
    good = (total["right"] + total["sentence"]) / total.total()
    print(f"\n{good:.2%} right or one sentence")
    return int(good < 0.97 or any(total[c] for c in ("silent", "nonsense", "slow")))


def _alarm(*_):
    raise Slow


if __name__ == "__main__":
    main()
