r"""The calls that have to be fast, each an autograd primitive with its own vector-Jacobian product.

    rollout           H = F(X): the recurrence of Eqs. (1)-(2), all particles and sequences at once
    log_categorical   H straight to log p(x_t | h_t), for symbols
    log_gaussian      the same for numbers
    log_forward       ell to log p(x_t | x_<t) where a hidden index chooses the particle

Skip this file on a first reading: `rnn.F`, the emissions' `log_p` and `forward` say the same in
plain operations, and the tests hold them equal. These are the only derivatives written by hand,
but for the softmax in `numerics`; `derivations/kernels.md` derives them. First order only.

Arguments are positional because autograd does not trace keywords. Three kernels take theta whole:
each array that autograd takes out of a dict costs as much as several steps of a small recurrence.
`rollout` and `log_categorical` work in blocks of steps, to stay in the cache."""

import autograd.numpy as anp
import numpy as np
from autograd.builtins import dict as traced_dict
from autograd.extend import defvjp_argnums, primitive
from autograd.tracer import isbox

from rnnvae_ref.numerics import log_sigmoid, log_sum_exp

BLOCK = 1 << 15  # floats in a block: 256 kB

# Freeing one large block raises the size from which glibc returns memory to the system, so that
# later arrays are reused instead. These 31 MB are never touched. Elsewhere than glibc: no effect.
np.empty(31 << 17)


def traced(theta):
    r"""theta for a kernel: where arrays in it are traced, a dict that is traced as a whole."""
    return theta if isbox(theta) else traced_dict(theta)


def tape(*args):
    r"""A list for what a kernel keeps for its derivative, or None if no argument is traced."""
    return [] if any(map(isbox, args)) else None


def _define(kernel, gradients):
    r"""Register gradients(g, ans, args, argnums), which returns {argument number: gradient}."""

    def maker(argnums, ans, args, _):
        if any(map(isbox, args)):
            raise NotImplementedError("first derivatives only; see `bound.K_delta`")

        def vjp(g):
            found = gradients(g, ans, args, argnums)
            if not set(argnums) <= set(found):
                raise NotImplementedError(
                    f"{kernel.__name__} has no derivative in data or settings"
                )
            return tuple(found[i] for i in argnums)

        return vjp

    defvjp_argnums(kernel, maker)


@primitive
def rollout(theta, X, noise, linear, /):
    r"""H = F(X) (T, [S,] L, N, D), with H[0] = h1. It equals the loop of `rnn.F`:

        H[t] = phi(H[t-1] @ W + U[X[t-1]] + b) + noise[t-1]      # x @ U for numbers

    phi is tanh, or the identity if `linear`.  theta: h1 (L, D) or (1, D), W, U, b;
    X (T, N) integers or (T, N, M);  noise (T-1, [S,] L, N, D) or None, axes of size 1 broadcast."""
    h1, W, U, b = (theta[key] for key in ("h1", "W", "U", "b"))
    front = () if noise is None else noise.shape[1:]
    H = np.empty((len(X), *np.broadcast_shapes(front, (len(h1), X.shape[1], len(W)))))
    H[0] = h1[:, None, :]
    after = H[1:]
    rows = list(H.reshape(len(X), -1, len(W)))  # views of H, one a step
    phi = np.positive if linear else np.tanh
    a = np.empty_like(rows[0])  # h W + x U + b
    for part in _blocks(len(after), a.size):
        if X.ndim == 2:
            drive = np.take(U + b, X[part], axis=0)
        else:
            drive = X[part].reshape(-1, len(U)).dot(U).reshape(*X[part].shape[:2], -1) + b
        after[part] = _over(drive, H)  # so that rows[t + 1] holds x U + b
        for t in range(part.start, part.stop):
            np.add(rows[t].dot(W, a), rows[t + 1], a)
            phi(a, rows[t + 1])
            if noise is not None:
                after[t] += noise[t]
    return H


def _rollout_vjp(g, H, args, argnums):
    r"""Backpropagation through time. With lambda_t = dJ / dh_t and pi_t = lambda_t * phi'_t:

        lambda_T = g_T;  for t = T .. 2:  lambda_{t-1} = g_{t-1} + pi_t @ W.T
            dW += h_{t-1}.T @ pi_t;  dU, db from pi_t;  dnoise_t = lambda_t
        dh1 = lambda_1

    The sums over t are taken a block of steps at a time."""
    theta, X, noise, linear = args
    after = H[1:]
    d = _zeros_like(theta)
    dnoise = np.empty(after.shape) if 2 in argnums else None
    WT = theta["W"].T.copy()
    g_rows = list(g.reshape(len(H), -1, H.shape[-1]))
    lam = g_rows[-1]
    work = np.empty(lam.shape)
    for part in reversed(_blocks(len(after), lam.size)):
        phi = after[part] if noise is None else after[part] - noise[part]
        pi = np.ones_like(phi) if linear else 1.0 - phi * phi  # phi' as yet
        pi_rows = list(pi.reshape(-1, *lam.shape))
        for t in range(part.stop - 1, part.start - 1, -1):
            if dnoise is not None:
                dnoise[t] = lam.reshape(H[0].shape)
            pi_t = np.multiply(pi_rows[t - part.start], lam, pi_rows[t - part.start])
            lam = np.add(pi_t.dot(WT, work), g_rows[t], work)
        d["W"] += _outer(H[part], pi)
        _add_drive_gradient(d, X[part], pi)
    d["h1"] += lam.reshape(-1, len(d["h1"]), *H.shape[-2:]).sum(axis=(0, 2))
    return {0: d} if dnoise is None else {0: d, 2: _sum_to(noise.shape, dnoise)}


_define(rollout, _rollout_vjp)


def _add_drive_gradient(d, X, pi):
    r"""Add to d["b"] and d["U"] what pi (T, [S,] L, N, D) gives. For symbols it equals the loop

        for x, row in zip(X, pi):  d["U"][x] += row

    but sorted by symbol, so that the rows of each stand together and are summed in one call."""
    pi = _sum_to((*X.shape[:2], pi.shape[-1]), pi).reshape(-1, pi.shape[-1])
    d["b"] += pi.sum(axis=0)
    if X.ndim == 3:
        d["U"] += _outer(X, pi)
        return
    count = np.bincount(X.reshape(-1), minlength=len(d["U"]))
    seen = count > 0
    first = (np.cumsum(count) - count)[seen]  # where each symbol's rows begin
    by_symbol = np.argsort(X, axis=None, kind="stable")
    d["U"][seen] += np.add.reduceat(pi[by_symbol], first)


@primitive
def log_categorical(theta, H, X, kept, /):
    r"""log p(x_t | h_t) = z[x_t] - log sum_v exp z[v], logits z = h_t C + c: (T, [S,] L, N).

    theta: C (D, V), c (V,);  H (T, [S,] L, N, D);  X (T, N) integers in 0..V-1;  kept: a list that
    receives exp z and its sum, block by block, for the derivative, or None."""
    C, c = theta["C"], theta["c"]
    ell = np.empty(H.shape[:-1])
    for part, rows, symbols in _parts(H, X, len(c)):
        z = C.T.dot(rows.T)  # (V, rows): sums along cache lines
        z += c[:, None]
        z -= z.max(axis=0)
        picked = z[symbols, np.arange(len(symbols))]
        total = np.exp(z, out=z).sum(axis=0)
        ell[part] = (picked - np.log(total)).reshape(ell[part].shape)
        if kept is not None:
            kept.append((z, total))
    return ell


def _log_categorical_vjp(g, _ell, args, _):
    r"""d ell / d z = onehot(x) - softmax(z)."""
    theta, H, X, kept = args
    C = theta["C"]
    d, dH = _zeros_like(theta), np.empty(H.shape)
    parts = _parts(H, X, C.shape[1])
    for (exp_z, total), (part, rows, symbols) in zip(kept, parts, strict=True):
        g_part = g[part].reshape(-1)
        dz = exp_z * (-g_part / total)
        dz[symbols, np.arange(len(symbols))] += g_part
        dz.T.dot(C.T, dH[part].reshape(rows.shape))
        d["C"] += dz.dot(rows).T
        d["c"] += dz.sum(axis=1)
    return {0: d, 1: dH}


_define(log_categorical, _log_categorical_vjp)


@primitive
def log_gaussian(theta, H, X, min_scale, kept, /):
    r"""log N(x_t; h_t C + c, diag(s^2)), s = min_scale + exp(log_s): (T, [S,] L, N).

    theta: C (D, M), c, log_s (M,);  H (T, [S,] L, N, D);  X (T, N, M);  kept: a list that receives
    z = (x - mean) / s for the derivative, or None."""
    C = theta["C"]
    s = min_scale + np.exp(theta["log_s"])
    hC = H.reshape(-1, len(C)).dot(C).reshape(*H.shape[:-1], -1)
    z = _over(X - theta["c"], H) - hC
    z /= s
    if kept is not None:
        kept.append(z)
    log_norm = np.log(s).sum() + 0.5 * len(s) * np.log(2 * np.pi)
    return -0.5 * np.einsum("...m,...m->...", z, z) - log_norm


def _log_gaussian_vjp(g, _ell, args, _):
    r"""d ell / d mean = z / s, and d ell / d log_s = (z^2 - 1) exp(log_s) / s."""
    theta, H, _X, min_scale, kept = args
    d, C = _zeros_like(theta), theta["C"]
    exp_log_s = np.exp(theta["log_s"])
    s = min_scale + exp_log_s
    z, g = kept[0].reshape(-1, C.shape[1]), g.reshape(-1, 1)
    gz = g * z
    d["log_s"] += (np.einsum("rm,rm->m", gz, z) - g.sum()) / s * exp_log_s
    gz /= s
    d["C"] += _outer(H, gz)
    d["c"] += gz.sum(axis=0)
    return {0: d, 1: gz.dot(C.T).reshape(H.shape)}


_define(log_gaussian, _log_gaussian_vjp)


@primitive
def log_forward(ell, logit_rho, /):
    r"""log p(x_t | x_<t) of the sticky mixture, (T, ..., N), from ell (T, ..., L, N).

    The index z_1 is uniform; z_t = z_{t-1} with probability rho, else it is drawn anew. All in
    logs, so that a particle hundreds of nats behind can come back.  logit_rho (), +-inf allowed."""
    return forward(ell, logit_rho)[0]


def forward(ell, logit_rho):
    r"""`log_forward` in autograd's operations, and log p(z_t = l | x_<t) for t = 1 .. T+1."""
    L = ell.shape[-2]
    stay, anew = log_sigmoid(logit_rho), log_sigmoid(-logit_rho) - np.log(L)
    steps, predicted = [], [np.full(ell.shape[1:], -np.log(L))]
    for ell_t in ell:
        joint = predicted[-1] + ell_t
        steps.append(log_sum_exp(joint, axis=-2))
        filtered = joint - steps[-1][..., None, :]
        predicted.append(anp.logaddexp(stay + filtered, anew))
    return anp.array(steps), anp.array(predicted)


def _log_forward_vjp(g, steps, args, _):
    r"""With b_t the gradient for ell_t, w_t^l = p(z_t = l | x_1 .. x_t), and k_t^l the probability,
    given z_t = l and x_<t, that z_t was not drawn anew; b_{T+1} = 0:

        u_t = k_{t+1} b_{t+1},   b_t = u_t + (g_t - sum_l u_t) w_t

    For g = 1 that is the backward pass of forward-backward, and b_t the smoothed posterior over
    particles. The gradient for logit_rho is sum_{t>1} sum_l b_t ((1 - rho) k_t - rho (1 - k_t))."""
    ell, logit_rho = args
    log_rho = log_sigmoid(logit_rho)
    rho = np.exp(log_rho)
    _, predicted = forward(ell, logit_rho)
    filtered = predicted[:-1] + ell - steps[..., None, :]
    w, k = np.exp(filtered), np.exp(log_rho + filtered - predicted[1:])
    b = np.zeros((len(ell) + 1, *ell.shape[1:]))  # b[0] is b_1, but k[0] is k_2
    for t in range(len(ell) - 1, -1, -1):
        u = k[t] * b[t + 1]
        b[t] = u + (g[t] - u.sum(axis=-2))[..., None, :] * w[t]
    slope = np.sum(b[1:] * ((1.0 - rho) * k - rho * (1.0 - k)))
    return {0: b[:-1], 1: slope}


_define(log_forward, _log_forward_vjp)


def _zeros_like(theta):
    r"""A gradient of theta to add to. It has all keys, which is what autograd wants from a dict."""
    return {key: np.zeros(np.shape(value)) for key, value in theta.items()}


def _outer(a, b):
    r"""sum over all rows of a^T b: (..., D), (..., E) -> (D, E)."""
    return a.reshape(-1, a.shape[-1]).T.dot(b.reshape(-1, b.shape[-1]))


def _over(x, H):
    r"""x (T, N, ...) with axes for the samples and particles of H (T, [S,] L, N, D)."""
    return x[(slice(None), *(None,) * (H.ndim - 3))]


def _sum_to(shape, a):
    r"""Undo broadcasting: from (T, [S,] L, N, D) to `shape`, which lacks axes after the first."""
    full = (*shape[:1], *(1,) * (a.ndim - len(shape)), *shape[1:])
    axes = tuple(i for i, n in enumerate(full) if n == 1 != a.shape[i])
    return a.sum(axis=axes).reshape(shape) if axes else a.reshape(shape)


def _parts(H, X, V):
    r"""Steps in blocks: the slice, its hidden states as rows (R, D), the symbol of each row."""
    for part in _blocks(len(H), H[0, ..., 0].size * V):
        symbols = np.broadcast_to(_over(X[part], H), H[part].shape[:-1])
        yield part, H[part].reshape(-1, H.shape[-1]), symbols.reshape(-1)


def _blocks(steps, width):
    r"""Slices of 0..steps so that a block holds at most BLOCK floats, `width` a step."""
    size = max(1, BLOCK // max(1, width))
    return [slice(i, min(i + size, steps)) for i in range(0, steps, size)]
