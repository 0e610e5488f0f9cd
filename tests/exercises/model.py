"""Exercises 1 to 4: the model, its gradient, and another emission."""

import math

import autograd.numpy as anp
import numpy as np
from autograd import grad
from scipy.special import gammaln, logsumexp, pdtr

from rnnvae_ref import RNN, Categorical, F
from tests.exercises.kinds import BITS, SIGN, plus


def theta_of(rng, D, V):
    shapes = {"h1": (D,), "W": (D, D), "U": (V, D), "b": (D,), "C": (D, V), "c": (V,)}
    return {key: rng.standard_normal(shape) for key, shape in shapes.items()}


def symbols(rng):
    """(theta, X) from one sequence, one unit and one step upwards; the same shapes with other
    numbers; the last lacks a symbol.
    """
    sizes = [(1, 1, 1, 2), (2, 1, 1, 2), (3, 2, 1, 2), (4, 2, 2, 3), (4, 2, 2, 3), (7, 3, 4, 5)]
    cases = [(theta_of(rng, D, V), rng.integers(0, V, (T, N))) for T, N, D, V in sizes]
    return [*cases, (theta_of(rng, 2, 5), rng.integers(0, 3, (3, 2)))]


def long_and_sharp(rng):
    """The same; logits near 1000, of many levels, and far from one another; and 1000 steps."""
    theta, X = theta_of(rng, 2, 3), rng.integers(0, 3, (4, 2))
    large = [{"c": theta["c"] + 1000.0}, {"C": theta["C"] + 9000.0}, {"C": 20000 * theta["C"]}]
    cases = [*symbols(rng), *((theta | change, X) for change in large)]
    return [*cases, (theta, rng.integers(0, 3, (1000, 2)))]


def as_model(theta, X):
    """The package's RNN with the same numbers."""
    rnn = RNN(Categorical(len(theta["U"])), len(theta["h1"]))
    return rnn, theta | {"h1": theta["h1"][None]}, X


KEPT = {}


def trajectory(theta, X):
    """H, once for each input: a hundred mistakes may be tried on it."""
    if len(KEPT) > 400:
        KEPT.clear()
    key = (id(theta), id(X))
    if key not in KEPT:
        KEPT[key] = (theta, X, F(*as_model(theta, X))[:, 0])  # the inputs, too, or ids come again
    return KEPT[key][2]


def log_softmax(z):
    return z - logsumexp(z, axis=-1, keepdims=True)


# Exercise 1


def other_trajectory(theta, X, inputs, first=None, phi=np.tanh, W=None, b=None, keep=lambda h: h):
    """A trajectory with a mistake: given inputs, first states, nonlinearity, W, b, or storage."""
    W, b = theta["W"] if W is None else W, theta["b"] if b is None else b
    H = [keep(np.tile(theta["h1"], (X.shape[1], 1)))] if first is None else first
    for x in inputs:
        H.append(keep(phi(H[-1] @ W + theta["U"][x] + b)))
    return np.array(H)


def doubled(theta, X):
    h1 = np.tile(theta["h1"], (X.shape[1], 1))
    return other_trajectory(theta, X, X[:-1][:-1], [h1, h1])[: len(X)]


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def run(**changes):
    """A mistake in how the network runs along X[:-1]."""
    return lambda e, th, X: other_trajectory(th, X, X[:-1], **changes)


def kept(dtype):
    return lambda h: np.asarray(h, dtype).astype(float)


def first_alone(e, th, X):
    """h_1 stands in the first sequence's row only; the others start at 0."""
    h1 = np.zeros((X.shape[1], len(th["h1"])))
    h1[0] = th["h1"]
    return other_trajectory(th, X, X[:-1], [h1])


TRAJECTORY = {
    "x_t is fed into h_t where x_{t-1} belongs": lambda e, th, X: other_trajectory(th, X, X[1:]),
    "h_1 is used twice: h_2 = f(h_1, x_1), not h_1": lambda e, th, X: doubled(th, X),
    "h_1 is skipped: H[0] is h_1 itself, not f(h_1, x_1)": lambda e, th, X: other_trajectory(
        th, X, X
    )[1:],
    "tanh is missing": run(phi=lambda a: a),
    "that is the sigmoid 1 / (1 + exp(-a)); tanh is asked": run(phi=sigmoid),
    "that is max(a, 0); tanh is asked": run(phi=lambda a: np.maximum(a, 0)),
    "tanh is taken of the last state only, before W: it belongs around the whole sum": (
        lambda e, th, X: before_W(th, X)
    ),
    "h_1 is a state as it is: no tanh of it": lambda e, th, X: trajectory(
        th | {"h1": np.tanh(th["h1"])}, X
    ),
    "W is transposed: vectors are rows, h W": lambda e, th, X: other_trajectory(
        th, X, X[:-1], W=th["W"].T
    ),
    "the product h W is taken entry by entry; it is a product of a row and a matrix": (
        lambda e, th, X: entrywise(th, X)
    ),
    "b is left out": run(b=0.0),
    "b stands outside of tanh": lambda e, th, X: other_trajectory(
        th, X, X[:-1], phi=lambda a: np.tanh(a - th["b"]) + th["b"]
    ),
    "the input x_{t-1} U is left out": lambda e, th, X: trajectory(th | {"U": 0 * th["U"]}, X),
    "it starts at 0: h_1 is a parameter": lambda e, th, X: trajectory(th | {"h1": 0 * th["h1"]}, X),
    "h_1 belongs to every sequence, not to the first alone": first_alone,
    "symbols are counted from 0, so x is row x of U, not row x - 1": lambda e, th, X: (
        other_trajectory(th, X, X[:-1] - 1)
    ),
    "the first sequence's symbol is fed to all sequences": lambda e, th, X: other_trajectory(
        th, X, np.repeat(X[:-1, :1], X.shape[1], axis=1)
    ),
    "the first step's symbol is fed at all steps": lambda e, th, X: other_trajectory(
        th, X, np.repeat(X[:1], len(X) - 1, axis=0)
    ),
    "X is read backwards in time": lambda e, th, X: other_trajectory(th, X, X[::-1][:-1]),
    "H holds whole numbers: it was made for integers, which cut the states off": (
        run(keep=kept(int)),
        lambda e, *_: np.trunc(e),
    ),
    "the states are kept in float32; keep float64": run(keep=kept(np.float32)),
    "the axes are exchanged: H is (T, N, D), time first": (
        lambda e, *_: e.swapaxes(0, 1),
        lambda e, *_: e.transpose(2, 1, 0),
        lambda e, *_: e.transpose(0, 2, 1),
    ),
    "all rows are the last state: each row must be an array of its own": lambda e, *_: (
        np.broadcast_to(e[-1], e.shape)
    ),
}


def before_W(theta, X):
    H = [np.tile(theta["h1"], (X.shape[1], 1))]
    for x in X[:-1]:
        H.append(np.tanh(H[-1]) @ theta["W"] + theta["U"][x] + theta["b"])
    return np.array(H)


def entrywise(theta, X):
    H = [np.tile(theta["h1"], (X.shape[1], 1))]
    for x in X[:-1]:
        H.append(np.tanh((H[-1][:, None, :] * theta["W"]).sum(axis=1) + theta["U"][x] + theta["b"]))
    return np.array(H)


# Exercise 2


def logits(rng):
    """Small ones; exp overflows; and rows of different levels, far more than 745 apart."""
    level = np.array([[0.0], [-3000.0]])
    far = rng.standard_normal((3, 2, 4)) + level + np.array([0.0, 900.0, -5000.0])[:, None, None]
    small = [(rng.standard_normal(3),), (rng.standard_normal((2, 3)),)]
    return [
        *small,
        (rng.standard_normal((3, 2, 4)),),
        (far,),
        (2000 * rng.standard_normal((4, 2, 3)),),
    ]


def along(axis):
    return lambda e, z: z - logsumexp(z, axis=axis, keepdims=True)


def naive_log(z, way):
    """log softmax with exp of the logits as they are."""
    total = np.exp(z).sum(axis=-1, keepdims=True)
    return z - np.log(total) if way else np.log(np.exp(z) / total)


def with_top(z, top, way):
    """log softmax with `top` taken out, whatever it is."""
    total = np.exp(z - top).sum(axis=-1, keepdims=True)
    return z - top - np.log(total) if way else np.log(np.exp(z - top) / total)


TOPS = [lambda z: z.max(), lambda z: z.max(axis=0, keepdims=True), lambda z: z.mean()]
LARGEST = "exp of a large number overflows: subtract the largest of each row before exp"
ZERO = "a probability has become 0, and its log -inf: take the log of the softmax by hand"
SOFTMAX = {
    "the softmax runs along the first axis; symbols are the last": along(0),
    "the softmax runs over all axes; symbols are the last": along(None),
    "the softmax runs along axis 1; symbols are the last": lambda e, z: (
        z - logsumexp(z, axis=1 if z.ndim > 1 else 0, keepdims=True)
    ),
    LARGEST: tuple(lambda e, z, way=way: naive_log(z, way) for way in (0, 1)),
    "one largest number is subtracted from all rows; each row needs its own": tuple(
        lambda e, z, top=top, way=way: with_top(z, top(z), way) for top in TOPS for way in (0, 1)
    ),
    ZERO: lambda e, z: np.log(np.exp(e)),
    "the largest is taken out, but not put back: log sum exp z = m + log sum exp(z - m)": (
        lambda e, z: e + z.max(axis=-1, keepdims=True),
        lambda e, z: e - z.max(axis=-1, keepdims=True),
    ),
    **plus(lambda change, e, z: change(e)),
    "that is the softmax; its log is asked": lambda e, z: np.exp(e),
    "that is the log of the sum alone: subtract it from z": (
        lambda e, z: logsumexp(z, axis=-1, keepdims=True),
        lambda e, z: logsumexp(z, axis=-1),
    ),
    "the sum is divided by the number of symbols: a sum is asked, not a mean": lambda e, z: (
        e + np.log(z.shape[-1])
    ),
    **SIGN,
    **BITS,
}


def score(
    theta, X, H, shift=0, first=0, of=lambda log_p: log_p, table=None, c=True, read=lambda X: X
):
    """sum_t of log p(x_{t+shift} | h_t) for t >= first, as a likelihood with a mistake."""
    log_p = (table or log_softmax)(H @ theta["C"] + theta["c"] * c)
    at = read(X)[first + shift :, :, None]
    return of(np.take_along_axis(log_p[first : len(X) - shift], at, axis=-1)[..., 0]).sum(axis=0)


def scored(**changes):
    """A mistake in how the right states are scored."""
    return lambda e, th, X: score(th, X, trajectory(th, X), **changes)


def product(table=log_softmax, final=np.log):
    """log prod_t p: it underflows on long sequences."""

    def of(e, th, X):
        log_p = table(trajectory(th, X) @ th["C"] + th["c"])
        picked = np.take_along_axis(log_p, X[..., None], axis=-1)[..., 0]
        return final(np.prod(np.exp(picked), axis=0))

    return of


LIKELIHOOD = {
    **SIGN,
    **BITS,
    "divided by T: nats per sequence are asked, a sum over t and not a mean": lambda e, th, X: (
        e / len(X)
    ),
    "h_t has already seen x_t: x_t is fed where x_{t-1} belongs": lambda e, th, X: score(
        th, X, other_trajectory(th, X, X[1:])
    ),
    "x_t is scored at h_{t+1}, which has seen it: x_t belongs to h_t": lambda e, th, X: score(
        th, X, other_trajectory(th, X, X)[1:]
    ),
    "x_{t+1} is scored at h_t: x_t belongs to h_t": scored(shift=1),
    "the first step is left out: h_1 predicts x_1": scored(first=1),
    "the last step is left out: x_T is scored, too": lambda e, th, X: (
        e - score(th, X, trajectory(th, X), first=len(X) - 1)
    ),
    "c is left out: logits are h C + c": scored(c=False),
    "symbols are counted from 0, so x is column x, not column x - 1": scored(read=lambda X: X - 1),
    "the first sequence's symbol is scored for all sequences": scored(
        read=lambda X: np.repeat(X[:, :1], X.shape[1], axis=1)
    ),
    "the softmax runs over sequences; symbols are the last axis": scored(
        table=lambda z: z - logsumexp(z, axis=1, keepdims=True)
    ),
    "the softmax runs over steps; symbols are the last axis": scored(
        table=lambda z: z - logsumexp(z, axis=0, keepdims=True)
    ),
    "the softmax is missing: logits are summed as they are": scored(table=lambda z: z),
    "all sequences are summed up; one number for each is asked": (
        lambda e, *_: e.sum(),
        lambda e, *_: 0 * e + e.sum(),
        lambda e, *_: e.sum(keepdims=True),
    ),
    "that is the mean over sequences; one number for each is asked": (
        lambda e, *_: e.mean(),
        lambda e, *_: 0 * e + e.mean(),
    ),
    "that is the table of log p(x_t | h_t); sum it over t": lambda e, th, X: np.take_along_axis(
        log_softmax(trajectory(th, X) @ th["C"] + th["c"]), X[..., None], axis=-1
    )[..., 0],
    "p is summed where log p is asked": scored(of=np.exp),
    "the product of p underflows to 0 on long sequences: sum log p": (
        product(),
        product(lambda z: naive_log(z, 0)),
    ),
    "that is p(X) itself; its log is asked": product(final=lambda p: p),
    LARGEST: tuple(scored(table=lambda z, way=way: naive_log(z, way)) for way in (0, 1)),
    "one largest logit is subtracted from all rows; each row needs its own": tuple(
        scored(table=lambda z, top=top, way=way: with_top(z, top(z), way))
        for top in TOPS
        for way in (0, 1)
    ),
    ZERO: scored(of=lambda log_p: np.log(np.exp(log_p))),
    **plus(lambda change, e, th, X: score(th, X, trajectory(th, X), of=change)),
}


# Exercise 3


def truncations(rng):
    sizes = [(1, 1, 2, 1), (2, 1, 2, 1), (3, 1, 2, 1), (3, 2, 2, 2), (3, 2, 2, 2)]
    sizes += [(6, 3, 4, 0), (6, 3, 4, 2), (6, 3, 4, 3), (6, 3, 4, 9)]
    return [(theta_of(rng, D, V), rng.integers(0, V, T), k) for T, D, V, k in sizes]


def by_autograd(theta, X, k, start=lambda t, k: max(t - k, 0), terms=None, left=None):
    """Term by term: from h at start(t, k), a constant, to log p(x_t | h_t), by autograd.

    left(h) changes the state that it starts from.
    """
    key = (id(theta), id(X), k, start.__code__, str(terms), left)
    if key not in KEPT:
        KEPT[key] = (theta, X, term_by_term(theta, X, k, start, terms, left))
    return KEPT[key][2]


def term_by_term(theta, X, k, start, terms, left):
    H = trajectory(theta, X[:, None])[:, 0]

    def term(W, t):
        h = H[start(t, k)] if left is None else left(H[start(t, k)])
        for s in range(start(t, k), t):
            h = anp.tanh(anp.dot(h, W) + theta["U"][X[s]] + theta["b"])
        z = anp.dot(h, theta["C"]) + theta["c"]
        return z[X[t]] - anp.log(anp.sum(anp.exp(z)))

    # where no f is left, h_t counts as a constant
    steps = [t for t in range(len(X)) if start(t, k) < t and (terms is None or t in terms)]
    return sum((grad(term)(theta["W"], t) for t in steps), np.zeros_like(theta["W"]))


def backward(
    theta, X, k, *, c=True, back=lambda W: W.T, left=lambda H, s: H[s - 1],
    slope=lambda H, s: 1 - H[s] ** 2, hot=lambda x, X, t: x, out=lambda C: C.T, go_on=True,
):  # fmt: skip
    """The backward pass with a mistake."""
    H, total = trajectory(theta, X[:, None])[:, 0], np.zeros_like(theta["W"])
    for t, x in enumerate(X):
        p = np.exp(log_softmax(H[t] @ theta["C"] + theta["c"] * c))
        lam = (np.eye(len(p) + 1)[hot(x, X, t)][: len(p)] - p) @ out(theta["C"])
        for s in range(t, max(t - k, 0), -1):
            pre = lam * slope(H, s)
            total = total + np.outer(left(H, s), pre)
            lam = pre @ back(theta["W"]) if go_on else lam
    return total


def chunks(t, k):
    """The start of t's chunk of k steps."""
    return t - t % k if k else t


def passed(**changes):
    return lambda e, th, X, k: backward(th, X, k, **changes)


TRUNCATED = {
    "the state is detached at every step: that is k = 1, whatever k": lambda e, th, X, k: (
        by_autograd(th, X, 1)
    ),
    "nothing is truncated: that is the full gradient, whatever k": lambda e, th, X, k: by_autograd(
        th, X, len(X)
    ),
    "one step too many: that is k + 1": lambda e, th, X, k: by_autograd(th, X, k + 1),
    "one step too few: that is k - 1": lambda e, th, X, k: by_autograd(th, X, max(k - 1, 0)),
    "k = 0 is asked, too: no step back, so the gradient is 0": lambda e, th, X, k: (
        e if k else by_autograd(th, X, len(X))
    ),
    **SIGN,
    "the result is transposed: W_ij leads from h_i to h_j": lambda e, *_: e.T,
    "W stands where its transpose belongs on the way back": passed(back=lambda W: W),
    "the way back lacks W: the derivative passes through W at each step": passed(
        back=lambda W: 1.0 * np.eye(len(W))
    ),
    "lambda is not carried back: it stays that of step t": passed(go_on=False),
    "h_s stands where h_{s-1} belongs": passed(left=lambda H, s: H[s]),
    "the derivative of tanh, 1 - h^2, is missing": passed(slope=lambda H, s: 1.0),
    "1 - h stands where the derivative of tanh, 1 - h^2, belongs": passed(
        slope=lambda H, s: 1 - H[s]
    ),
    "h (1 - h) is the derivative of the sigmoid; that of tanh is 1 - h^2": passed(
        slope=lambda H, s: H[s] * (1 - H[s])
    ),
    "1 - h_{s-1}^2 stands where 1 - h_s^2 belongs": passed(slope=lambda H, s: 1 - H[s - 1] ** 2),
    "onehot(x_t) is missing: softmax alone is left": lambda e, th, X, k: backward(
        th, X, k, hot=lambda x, X, t: len(th["c"])
    ),
    "the softmax is missing: onehot(x_t) alone is left": lambda e, th, X, k: (
        backward(th, X, k) - backward(th, X, k, hot=lambda x, X, t: len(th["c"]))
    ),
    "c is left out: logits are h C + c": passed(c=False),
    "x_{t-1} stands where x_t is scored": passed(hot=lambda x, X, t: X[t - 1]),
    "x_{t+1} stands where x_t is scored": passed(hot=lambda x, X, t: X[min(t + 1, len(X) - 1)]),
    "symbols are counted from 0: onehot(x) has its 1 at place x, not x - 1": lambda e, th, X, k: (
        backward(th, X, k, hot=lambda x, X, t: x - 1 if x else len(th["c"]) - 1)
    ),
    "the states start anew at 0 for each term; they are those of the whole sequence": (
        lambda e, th, X, k: by_autograd(th, X, k, left=lambda h: 0 * h),
        lambda e, th, X, k: by_autograd(th, X, k, left=lambda h: th["h1"]),
    ),
    "the sequence is cut into chunks of k steps; here every term goes back k steps": (
        lambda e, th, X, k: by_autograd(th, X, k, start=chunks)
    ),
    "the last term only: every t has a term": lambda e, th, X, k: by_autograd(
        th, X, k, terms=[len(X) - 1]
    ),
    "the last term is left out: t runs to T": lambda e, th, X, k: by_autograd(
        th, X, k, terms=range(len(X) - 1)
    ),
    "the last k terms only: every t has a term": lambda e, th, X, k: by_autograd(
        th, X, k, terms=range(max(len(X) - k, 0), len(X))
    ),
    "only the step farthest back is kept: all of the k steps are summed": lambda e, th, X, k: (
        by_autograd(th, X, k) - by_autograd(th, X, max(k - 1, 0))
    ),
    "it goes back from T only, k steps: every term goes back k steps of its own": (
        lambda e, th, X, k: by_autograd(th, X, k, start=lambda t, k: min(t, max(len(X) - 1 - k, 0)))
    ),
    "divided by T: the gradient of a sum over t is asked": lambda e, th, X, k: e / len(X),
}


# Exercise 4


def counts(rng):
    cases = []
    for N, D, M in [(1, 1, 1), (2, 1, 1), (3, 2, 3)]:
        theta = {"C": rng.standard_normal((D, M)), "c": rng.standard_normal(M)}
        cases.append((theta, rng.uniform(-1, 1, (N, D)), rng.integers(0, 6, (N, M))))
    cases[1][2][:, 0] = [0, 3]  # no count and some counts are both there, whatever the seed
    few, many = rng.uniform(-1, 1, (2, N, D)), rng.integers(300, 500, (2, N, M))
    # rates near the counts; with those of theta p underflows
    high = {"C": 0.1 * theta["C"], "c": np.full(M, 6.0)}
    return [*cases, (theta, few[0], many[0]), (high, few[1], many[1])]


def exact_poisson(theta, h, x):
    rows = zip(h @ theta["C"] + theta["c"], x.tolist(), strict=True)
    return np.array([math.fsum(map(one_count, z, k)) for z, k in rows])


def one_count(log_rate, k):
    return k * log_rate - math.exp(log_rate) - math.fsum(math.log(i) for i in range(1, k + 1))


def masses(rng):
    """A few counts; rates near 400, whose powers and factorials overflow, and near 900."""
    theta = {"C": rng.standard_normal((2, 1)), "c": rng.standard_normal(1)}
    sizes = [(1, 0), (1, 2), (3, 5), (3, 5), (3, 60)]
    cases = [(theta, rng.uniform(-1, 1, (N, 2)), most) for N, most in sizes]
    large = {"C": 0.1 * theta["C"], "c": np.array([6.0])}
    larger = {"C": 0.01 * theta["C"], "c": np.array([6.8])}  # exp(-r) underflows
    return [
        *cases,
        *((th, rng.uniform(-1, 1, (2, 2)), most) for th, most in [(large, 400), (larger, 900)]),
    ]


def rate(theta, h):
    return rates(theta, h)[:, 0]


def rates(theta, h):
    return np.exp(h @ theta["C"] + theta["c"])


def logs(theta, h):
    return h @ theta["C"] + theta["c"]


def table(theta, h, x):
    """log p of each count."""
    return x * logs(theta, h) - rates(theta, h) - gammaln(x + 1)


def other_poisson(factor):
    """With log x! replaced by the log of what a direct product gives."""
    return lambda e, th, h, x: e + (gammaln(x + 1) - np.log(factor(x))).sum(axis=1)


def integer_factorial(x):
    """x! as a product of 64-bit integers, which wraps around from 21! on."""
    flat = [np.prod(np.arange(1, k + 1, dtype=np.int64)) for k in np.ravel(x)]
    return np.reshape(np.array(flat, float), np.shape(x))


def direct_poisson(theta, h, x):
    """log of r^x e^-r / x!, all three as they stand."""
    r = rates(theta, h)
    p = r ** x.astype(float) * np.exp(-r) / float_factorial(x)
    return np.log(p).sum(axis=1)


def float_factorial(x):
    return np.where(x > 170, np.inf, np.exp(gammaln(np.minimum(x, 170) + 1.0)))


POISSON = {
    **SIGN,
    **BITS,
    "log x! is missing": lambda e, th, h, x: e + gammaln(x + 1).sum(axis=1),
    "log (x-1)! stands where log x! belongs: gammaln(x + 1) = log x!": lambda e, th, h, x: (
        e + (gammaln(x + 1) - gammaln(x)).sum(axis=1)
    ),
    "log (x+1)! stands where log x! belongs: gammaln(x + 1) = log x!": lambda e, th, h, x: (
        e + (gammaln(x + 1) - gammaln(x + 2)).sum(axis=1)
    ),
    "log x stands where log x! belongs": lambda e, th, h, x: (
        e + (gammaln(x + 1) - np.log(x)).sum(axis=1)
    ),
    "log x! is added; it must be subtracted": lambda e, th, h, x: (
        e + 2 * gammaln(x + 1).sum(axis=1)
    ),
    "x! stands where log x! belongs": lambda e, th, h, x: (
        e + (gammaln(x + 1) - float_factorial(x)).sum(axis=1)
    ),
    "x! as an integer product overflows from 21! on: take gammaln(x + 1)": (
        other_poisson(integer_factorial),
    ),
    "a probability has become 0, and its log -inf: stay in logarithms": (
        lambda e, th, h, x: np.log(np.exp(table(th, h, x))).sum(axis=1),
        lambda e, th, h, x: np.log(np.exp(table(th, h, x)).prod(axis=1)),
        lambda e, th, h, x: np.log(np.exp(e)),
    ),
    "x! overflows as a float from 171! on: take gammaln(x + 1)": (
        other_poisson(float_factorial),
        lambda e, th, h, x: direct_poisson(th, h, x),
        lambda e, th, h, x: np.log(
            np.prod(rates(th, h) ** x * np.exp(-rates(th, h)) / float_factorial(x), axis=1)
        ),
    ),
    "the rate is exp(h C + c), not h C + c": (
        lambda e, th, h, x: e + (rates(th, h) - logs(th, h)).sum(axis=1),
        lambda e, th, h, x: (x * np.log(logs(th, h)) - logs(th, h) - gammaln(x + 1)).sum(axis=1),
    ),
    "r stands where log r belongs: x log r - r - log x!": lambda e, th, h, x: (
        e + (x * (rates(th, h) - logs(th, h))).sum(axis=1)
    ),
    "the term - r is missing": lambda e, th, h, x: e + rates(th, h).sum(axis=1),
    "the term x log r is missing": lambda e, th, h, x: e - (x * logs(th, h)).sum(axis=1),
    "c is left out: the rate is exp(h C + c)": lambda e, th, h, x: exact_poisson(
        th | {"c": 0 * th["c"]}, h, x
    ),
    "that is the table of log p(x_m | h); sum it over the M counts": lambda e, *a: table(*a),
    "all rows are summed up; one number for each is asked": (
        lambda e, *_: e.sum(),
        lambda e, *_: 0 * e + e.sum(),
    ),
    "the sum runs over rows; it must run over the M counts of each row": lambda e, *a: table(
        *a
    ).sum(axis=0),
    "p is summed over the M counts; they are independent, so log p is": lambda e, *a: np.log(
        np.exp(table(*a)).sum(axis=1)
    ),
    "that is the mean over rows; one number for each is asked": lambda e, *_: e.mean(),
    "the mean over dimensions; a sum is asked": lambda e, th, h, x: e / x.shape[1],
    "that is the probability itself; its log is asked": lambda e, *_: np.exp(e),
}


def mass_with(theta, h, counted, r=None):
    """Sum over some counts of p(x | h), also with another rate."""
    r = rate(theta, h) if r is None else r
    return sum((np.exp(k * np.log(r) - r - gammaln(k + 1)) for k in counted), 0 * r)


def direct_mass(theta, h, most):
    r = rate(theta, h)
    ks = np.arange(most + 1.0)
    return (r[:, None] ** ks * np.exp(-r)[:, None] / float_factorial(ks)).sum(axis=1)


def both(way):
    """The same for a sum that starts as the number 0, and one that starts as an array."""
    return (way, lambda e, th, h, most: way(e, th, h, most) if most else 0)


MASS = {
    "x = 0 is left out": both(lambda e, th, h, most: e - np.exp(-rate(th, h))),
    "it stops before `most`": both(
        lambda e, th, h, most: pdtr(most - 1, rate(th, h)) if most else 0 * e
    ),
    "it goes beyond `most`: the last count is `most` itself": lambda e, th, h, most: pdtr(
        most + 1, rate(th, h)
    ),
    "that is p(most) alone; all counts up to it are summed": lambda e, th, h, most: mass_with(
        th, h, [most]
    ),
    "that is what lies above `most`: 1 minus the mass": lambda e, *_: 1 - e,
    "that is the log of the mass": lambda e, *_: np.log(e),
    "log p is summed where p is asked": lambda e, th, h, most: sum(
        k * np.log(rate(th, h)) - rate(th, h) - gammaln(k + 1) for k in range(most + 1)
    ),
    "a mean over counts; a sum is asked": lambda e, th, h, most: e / (most + 1),
    "c is left out: the rate is exp(h C + c)": lambda e, th, h, most: pdtr(
        most, rate(th | {"c": 0 * th["c"]}, h)
    ),
    "the rate is exp(h C + c), not h C + c": lambda e, th, h, most: pdtr(most, logs(th, h)[:, 0]),
    "all rows are summed up; one number for each is asked": (
        lambda e, *_: e.sum(),
        lambda e, *_: 0 * e + e.sum(),
    ),
    "that is the mean over rows; one number for each is asked": lambda e, *_: e.mean(),
    "the first row's mass is given for all rows": lambda e, *_: 0 * e + e[0],
    "powers of r and x! overflow: sum exp(log p)": lambda e, th, h, most: direct_mass(th, h, most),
}
