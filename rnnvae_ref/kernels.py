r"""The calls that have to be fast, each an autograd primitive with its own vector-Jacobian product.

    rollout           H = F(X): the recurrence of Eqs. (1)-(2), over all samples, particles and sequences at once
    log_categorical   H straight to log p(x_t | h_t), for symbols
    log_gaussian      the same for numbers
    log_forward       the table ell to log p(x_t | x_<t) where a hidden index chooses the particle: forward-backward

These are the only derivatives in the project that are written by hand, but for the softmax in `numerics`. `rnn.F` and the
emissions' `log_p` are the same mathematics in plain autograd: they are the specification, and the tests hold the two equal.
First-order reverse mode only: for Hessians use the plain forms. Arguments are positional because autograd does not trace
keywords. Three kernels take theta whole: where arrays are small, each one that autograd takes out of a dict costs as much as
several steps of the recurrence. `rollout` and `log_categorical` work in blocks of steps, so that what is written is still in
cache when it is read.
"""

import numpy as np
from autograd.builtins import dict as traced_dict
from autograd.extend import defvjp_argnums, primitive
from autograd.tracer import isbox

from rnnvae_ref.numerics import log_sigmoid

BLOCK = 1 << 15  # numbers in a block: 256 kB

# 31 MB that are never touched. Freed, they teach this process's glibc to keep smaller blocks instead of returning their pages.
np.empty(31 << 17)


def traced(theta):
    r"""theta as the kernels want it: where some of its arrays are traced, a dict that autograd traces as a whole."""
    return theta if isbox(theta) else traced_dict(theta)


def tape(*args):
    r"""A list for what a kernel keeps for its derivative, or None if none of its arguments is traced."""
    return [] if any(map(isbox, args)) else None


def _define(kernel, vjp_maker):
    r"""Register a kernel's derivative: vjp_maker(ans, args, argnums) -> vjp(g), which gives {argument number: gradient}."""

    def maker(argnums, ans, args, _):
        if any(map(isbox, args)):
            raise NotImplementedError("kernels have first derivatives only; for others use `log_p_X` or `K_delta`, plain loops")
        vjp = vjp_maker(ans, args, argnums)

        def chosen(g):
            gradients = vjp(g)
            if not set(argnums) <= set(gradients):
                raise NotImplementedError(f"{kernel.__name__} has no derivative with respect to data or settings")
            return tuple(gradients[i] for i in argnums)

        return chosen

    defvjp_argnums(kernel, maker)


@primitive
def rollout(theta, X, noise, linear, /):
    r"""Trajectories of h_t = phi(h_{t-1} W + x_{t-1} U + b) + noise_t, with phi = tanh, or the identity if `linear`.

    theta: h1 (L, D) or (1, D), W, U, b;  X (T, N) integers or (T, N, M) numbers;  noise (T-1, [S,] L, N, D) or None, axes of
    size 1 broadcast; noise[0] enters h_2. Returns H (T, [S,] L, N, D) with H[0] = h1.
    """
    h1, W, front = theta["h1"], theta["W"], () if noise is None else noise.shape[1:]
    H = np.empty((len(X), *np.broadcast_shapes(front, (len(h1), X.shape[1], len(W)))))
    H[0] = h1[:, None, :]
    rows, phi = list(H.reshape(len(X), -1, len(W))), np.positive if linear else np.tanh
    a = np.empty_like(rows[0])  # h W + x U + b
    for part in _blocks(1, len(X), a.size):
        H[part] = _over(_drive(theta, X[_before(part)]), H)
        for t in range(part.start, part.stop):
            phi(np.add(rows[t - 1].dot(W, a), rows[t], a), rows[t])
            if noise is not None:
                H[t] += noise[t - 1]
    return H


def _rollout_vjp(H, args, argnums):
    r"""Backpropagation through time: lambda_t = g_t + (lambda_{t+1} * phi'_{t+1}) W^T, from t = T down to 1."""
    theta, X, noise, linear = args

    def vjp(g):
        WT, rows = theta["W"].T.copy(), list(g.reshape(len(H), -1, H.shape[-1]))
        d, dnoise = _zeros_like(theta), np.empty(H[1:].shape) if 2 in argnums else None
        lam, work = rows[-1], np.empty(rows[-1].shape)
        for part in reversed(_blocks(1, len(H), lam.size)):
            pi = _slope(H[part], None if noise is None else noise[_before(part)], linear)  # phi', soon lambda * phi'
            for t, pi_t in zip(range(part.stop - 1, part.start - 1, -1), reversed(pi.reshape(-1, *lam.shape)), strict=True):
                if dnoise is not None:
                    dnoise[t - 1] = lam.reshape(H[0].shape)
                lam = np.add(np.multiply(pi_t, lam, pi_t).dot(WT, work), rows[t - 1], work)
            d["W"] += _outer(H[_before(part)], pi)
            _add_drive_gradient(d, X[_before(part)], pi)
        d["h1"] += lam.reshape(-1, len(d["h1"]), H.shape[-2], len(WT)).sum(axis=(0, 2))
        return {0: d} if dnoise is None else {0: d, 2: _sum_to(noise.shape, dnoise)}

    return vjp


_define(rollout, _rollout_vjp)


def _drive(theta, X):
    r"""x U + b of some steps, (T, N, D): a row of U for a symbol, a product for numbers."""
    U, b = theta["U"], theta["b"]
    return np.take(U + b, X, axis=0) if X.ndim == 2 else X.reshape(-1, len(U)).dot(U).reshape(*X.shape[:2], -1) + b


def _add_drive_gradient(d, X, g):
    r"""Add to d["U"], d["b"] what g (T, [S,] L, N, D) gives: a symbol's row of U collects the gradients of its occurrences."""
    g = _sum_to((*X.shape[:2], g.shape[-1]), g).reshape(-1, g.shape[-1])
    d["b"] += g.sum(axis=0)
    if X.ndim == 3:
        d["U"] += _outer(X, g)
    else:
        count = np.bincount(X.reshape(-1), minlength=len(d["U"]))
        seen = count > 0  # sorted by symbol, the rows of each stand together
        d["U"][seen] += np.add.reduceat(g[np.argsort(X, axis=None, kind="stable")], (np.cumsum(count) - count)[seen])


def _slope(H, noise, linear):
    r"""phi' at every step, in an array of its own: 1 - phi^2 with phi = h - noise, or 1."""
    if linear:
        return np.ones_like(H)
    phi = H if noise is None else H - noise
    slope = np.multiply(phi, phi)
    return np.subtract(1.0, slope, out=slope)


@primitive
def log_categorical(theta, H, X, kept, /):
    r"""log p(x_t | h_t) = z[x_t] - log sum_v exp z[v], with logits z = h_t C + c.

    theta: C (D, V), c (V,);  H (T, [S,] L, N, D);  X (T, N) integers in 0..V-1;  kept: a list that receives exp z and its sum,
    block by block, for the way back, or None where there is none.  Returns (T, [S,] L, N).
    """
    C, c, ell = theta["C"], theta["c"], np.empty(H.shape[:-1])
    for part, rows, symbols in _parts(H, X, len(c)):
        z = C.T.dot(rows.T)  # (V, rows): symbols first, so that sums over them run along whole cache lines
        z += c[:, None]
        z -= z.max(axis=0)
        picked = z[symbols, np.arange(len(symbols))]
        total = np.exp(z, out=z).sum(axis=0)
        ell[part] = (picked - np.log(total)).reshape(ell[part].shape)
        if kept is not None:
            kept.append((z, total))
    return ell


def _log_categorical_vjp(_ell, args, _):
    r"""d ell / d z = onehot(x) - softmax(z)."""
    theta, H, X, kept = args

    def vjp(g):
        d, dH, C = _zeros_like(theta), np.empty(H.shape), theta["C"]
        for (z, total), (part, rows, symbols) in zip(kept, _parts(H, X, C.shape[1]), strict=True):
            g_part = g[part].reshape(-1)
            dz = z * (-g_part / total)
            dz[symbols, np.arange(len(symbols))] += g_part
            dz.T.dot(C.T, dH[part].reshape(rows.shape))
            d["C"] += dz.dot(rows).T
            d["c"] += dz.sum(axis=1)
        return {0: d, 1: dH}

    return vjp


_define(log_categorical, _log_categorical_vjp)


@primitive
def log_gaussian(theta, H, X, min_scale, kept, /):
    r"""log N(x_t; h_t C + c, diag(s^2)), s = min_scale + exp(log_s).

    theta: C (D, M), c, log_s (M,);  H (T, [S,] L, N, D);  X (T, N, M);  kept: as above, for z = (x - mean) / s.
    Returns (T, [S,] L, N).
    """
    C, s = theta["C"], min_scale + np.exp(theta["log_s"])
    z = _over(X - theta["c"], H) - H.reshape(-1, len(C)).dot(C).reshape(*H.shape[:-1], -1)
    z /= s
    if kept is not None:
        kept.append(z)
    return -0.5 * np.einsum("...m,...m->...", z, z) - (np.log(s).sum() + 0.5 * len(s) * np.log(2 * np.pi))


def _log_gaussian_vjp(_ell, args, _):
    r"""d ell / d mean = z / s, and d ell / d log_s = (z^2 - 1) / s exp(log_s)."""
    theta, H, _X, min_scale, kept = args

    def vjp(g):
        d, C, exp_log_s = _zeros_like(theta), theta["C"], np.exp(theta["log_s"])
        s, z, g = min_scale + exp_log_s, kept[0].reshape(-1, C.shape[1]), g.reshape(-1, 1)
        gz = g * z
        d["log_s"] += (np.einsum("rm,rm->m", gz, z) - g.sum()) / s * exp_log_s
        gz /= s
        d["C"] += _outer(H, gz)
        d["c"] += gz.sum(axis=0)
        return {0: d, 1: gz.dot(C.T).reshape(H.shape)}

    return vjp


_define(log_gaussian, _log_gaussian_vjp)


@primitive
def log_forward(ell, logit_rho, /):
    r"""log p(x_t | x_<t) of the sticky mixture: index z_1 uniform, z_t = z_{t-1} with probability rho, else uniform anew.

    ell (T, ..., L, N), logit_rho () with -inf and inf allowed -> (T, ..., N). All in logs: a particle that lies hundreds of
    nats behind may come back.
    """
    return _forward(ell, logit_rho)[0]


def _forward(ell, logit_rho):
    r"""Steps (T, ..., N); and (T, ..., L, N) log w_t^l, the filtered weights, and k_t^l = rho w_{t-1}^l / predicted weight."""
    L = ell.shape[-2]
    stay, leave = log_sigmoid(logit_rho), log_sigmoid(-logit_rho) - np.log(L)
    steps, log_w, k = np.empty((*ell.shape[:-2], ell.shape[-1])), np.empty_like(ell), np.zeros_like(ell)
    predicted = np.full(ell.shape[1:], -np.log(L))
    for t in range(len(ell)):
        if t > 0:
            predicted = np.logaddexp(stay + log_w[t - 1], leave)
            k[t] = np.exp(stay + log_w[t - 1] - predicted)
        joint = predicted + ell[t]
        top = joint.max(axis=-2, keepdims=True)
        steps[t] = np.log(np.exp(joint - top).sum(axis=-2)) + top[..., 0, :]
        log_w[t] = joint - steps[t][..., None, :]
    return steps, log_w, k


def _log_forward_vjp(_steps, args, _):
    r"""b_t, the gradient with respect to ell_t: b_t = u_t + (g_t - sum u_t) w_t with u_t = k_{t+1} b_{t+1}.

    For g = 1 that is the backward pass of forward-backward, and b_t the smoothed posterior over particles.
    """
    ell, logit_rho = args
    rho = np.exp(log_sigmoid(logit_rho))

    def vjp(g):
        _, log_w, k = _forward(ell, logit_rho)
        b, u = np.empty_like(ell), np.zeros(ell.shape[1:])
        for t in range(len(ell) - 1, -1, -1):
            b[t] = u + (g[t] - u.sum(axis=-2))[..., None, :] * np.exp(log_w[t])
            u = k[t] * b[t]
        slope = np.sum(b[1:] * ((1.0 - rho) * k[1:] - rho * (1.0 - k[1:])))
        return {0: b, 1: slope}

    return vjp


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
    r"""Undo broadcasting: from (T, [S,] L, N, D) to `shape`, whose missing axes stand behind the first."""
    full = (*shape[:1], *(1,) * (a.ndim - len(shape)), *shape[1:])
    axes = tuple(i for i, n in enumerate(full) if n == 1 != a.shape[i])
    return a.sum(axis=axes).reshape(shape) if axes else a.reshape(shape)


def _parts(H, X, V):
    r"""Steps in blocks: the slice, its hidden states as rows (R, D), and the symbol of every row."""
    for part in _blocks(0, len(H), H[0, ..., 0].size * V):
        symbols = np.broadcast_to(_over(X[part], H), H[part].shape[:-1])
        yield part, H[part].reshape(-1, H.shape[-1]), symbols.reshape(-1)


def _blocks(start, stop, width):
    r"""Slices of start..stop so that the numbers of a block, `width` a step, fit into BLOCK."""
    size = max(1, BLOCK // max(1, width))
    return [slice(i, min(i + size, stop)) for i in range(start, stop, size)]


def _before(part):
    r"""The slice one step earlier."""
    return slice(part.start - 1, part.stop - 1)
