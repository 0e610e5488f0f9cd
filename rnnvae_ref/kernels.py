r"""The calls that have to be fast, each an autograd primitive with its own vector-Jacobian product.

    rollout           H = F(X): the recurrence of Eqs. (1)-(2), over all samples, particles and sequences at once
    embed, affine     x_{t-1} U + b, for symbols (a row of U per symbol) and for numbers
    log_categorical   H straight to log p(x_t | h_t); the (T, L, N, V) table of probabilities is never kept
    log_gaussian      the same for numbers
    log_forward       the table ell to log p(x_t | x_<t) where a hidden index chooses the particle: forward-backward

These are the only derivatives in the project that are written by hand. `rnn.F` and the emissions' `log_p` are the
same mathematics in plain autograd: they are the specification, and the tests hold the two equal. First-order reverse mode
only: for Hessians use the plain forms. Arguments are positional because autograd does not trace keywords.
"""

import numpy as np
from autograd.extend import defvjp_argnums, primitive

BLOCK = 1 << 15  # numbers in a temporary: 256 kB, so that it stays in cache


@primitive
def rollout(h1, W, drive, noise, linear, /):
    r"""Trajectories of h_t = phi(h_{t-1} W + drive_{t-1}) + noise_t, with phi = tanh, or the identity if `linear`.

    h1 (L, D) or (1, D);  W (D, D);  drive (T-1, N, D);  noise (T-1, [S,] L, N, D) or None, axes of size 1 broadcast;
    noise[0] enters h_2.
    Returns H (T, [S,] L, N, D) with H[0] = h1.
    """
    (steps, N, D), front = drive.shape, () if noise is None else noise.shape[1:]
    H = np.empty((steps + 1, *np.broadcast_shapes(front, (len(h1), N, D))))
    rows = H.reshape(steps + 1, -1, D)
    H[0] = h1[:, None, :]
    for t in range(steps):
        np.dot(rows[t], W, out=rows[t + 1])
        H[t + 1] += drive[t]
        if not linear:
            np.tanh(rows[t + 1], out=rows[t + 1])
        if noise is not None:
            H[t + 1] += noise[t]
    return H


def _rollout_vjp(argnums, H, args, _):
    r"""Backpropagation through time: lambda_t = g_t + (lambda_{t+1} * phi'_{t+1}) W^T, from t = T down to 1."""
    h1, W, drive, noise, linear = args

    def vjp(g):
        pre = _slope(H[1:], noise, linear)  # becomes lambda * phi': the gradient with respect to h W + drive
        lam = [g[-1]]
        for t in range(len(pre) - 1, -1, -1):
            pre[t] *= lam[-1]
            lam.append(g[t] + np.dot(pre[t].reshape(-1, len(W)), W.T).reshape(g[t].shape))
        gradient = {
            0: lambda: _sum_to((1, len(h1), 1, len(W)), lam[-1][None]).reshape(h1.shape),
            1: lambda: _outer(H[:-1], pre),
            2: lambda: _sum_to(drive.shape, pre),
            3: lambda: _sum_to(noise.shape, np.array(lam[-2::-1]).reshape(pre.shape)),
        }
        return tuple(gradient[i]() for i in argnums)

    return vjp


def _slope(H, noise, linear):
    r"""phi' at every step, in an array of its own: 1 - phi^2 with phi = h - noise, or 1."""
    if linear:
        return np.ones_like(H)
    phi = H if noise is None else H - noise
    slope = np.multiply(phi, phi)
    return np.subtract(1.0, slope, out=slope)


def _outer(a, b):
    r"""sum over all rows of a^T b: (..., D), (..., E) -> (D, E)."""
    return np.dot(a.reshape(-1, a.shape[-1]).T, b.reshape(-1, b.shape[-1]))


def _sum_to(shape, a):
    r"""Undo broadcasting: from (T, [S,] L, N, D) to `shape`, whose missing axes stand behind the first."""
    full = (*shape[:1], *(1,) * (a.ndim - len(shape)), *shape[1:]) if len(shape) < a.ndim else shape
    axes = tuple(i for i, n in enumerate(full) if n == 1 != a.shape[i])
    return a.sum(axis=axes).reshape(shape) if axes else a.reshape(shape)


defvjp_argnums(rollout, _rollout_vjp)


@primitive
def embed(U, b, X, /):
    r"""x U + b for one-hot x: U (V, D), b (D,), X (...) integers -> (..., D)."""
    return np.take(U + b, X, axis=0)


def _embed_vjp(argnums, _ans, args, _):
    r"""Every symbol's row of U collects the gradients of its occurrences, as one product with the one-hot matrix."""
    U, _b, X = args

    def vjp(g):
        rows, symbols = g.reshape(-1, U.shape[1]), X.reshape(-1)
        dU = np.zeros_like(U)
        for part in _blocks(len(rows), len(U)):
            dU += np.dot((symbols[part] == np.arange(len(U))[:, None]).astype(float), rows[part])
        return tuple(dU if i == 0 else dU.sum(axis=0) for i in argnums)

    return vjp


defvjp_argnums(embed, _embed_vjp)


@primitive
def affine(U, b, X, /):
    r"""x U + b: U (M, D), b (D,), X (..., M) numbers -> (..., D)."""
    return np.dot(X.reshape(-1, len(U)), U).reshape(*X.shape[:-1], len(b)) + b


def _affine_vjp(argnums, _ans, args, _):
    X = args[2]
    return lambda g: tuple(_outer(X, g) if i == 0 else g.reshape(-1, g.shape[-1]).sum(axis=0) for i in argnums)


defvjp_argnums(affine, _affine_vjp)


@primitive
def log_categorical(H, C, c, X, /):
    r"""log p(x_t | h_t) = z[x_t] - log sum_v exp z[v], with logits z = h_t C + c.

    H (T, [S,] L, N, D);  C (D, V);  c (V,);  X (T, N) integers in 0..V-1.  Returns (T, [S,] L, N).
    """
    ell = np.empty(H.shape[:-1])
    for part, rows, symbols in _parts(H, X, len(c)):
        z = _logits(rows, C, c)
        z -= z.max(axis=0)
        picked = z[symbols, np.arange(len(symbols))]
        ell[part] = (picked - np.log(np.exp(z, out=z).sum(axis=0))).reshape(ell[part].shape)
    return ell


def _log_categorical_vjp(argnums, ell, args, _):
    r"""d ell / d z = onehot(x) - softmax(z); the logits are computed again, the normaliser follows from ell."""
    H, C, c, X = args

    def vjp(g):
        dH, dC, dc = np.empty_like(H), np.zeros_like(C), np.zeros_like(c)
        for part, rows, symbols in _parts(H, X, len(c)):
            z, columns, g_part = _logits(rows, C, c), np.arange(len(symbols)), g[part].reshape(-1)
            z -= z[symbols, columns] - ell[part].reshape(-1)  # z is now log softmax
            dz = np.multiply(np.exp(z, out=z), -g_part, out=z)
            dz[symbols, columns] += g_part
            dH[part] = np.dot(dz.T, C.T).reshape(dH[part].shape)
            dC += np.dot(dz, rows).T
            dc += dz.sum(axis=1)
        return tuple((dH, dC, dc)[i] for i in argnums)

    return vjp


defvjp_argnums(log_categorical, _log_categorical_vjp)


@primitive
def log_gaussian(H, C, c, s, X, /):
    r"""log N(x_t; h_t C + c, diag(s^2)).  H (T, [S,] L, N, D);  C (D, M);  c, s (M,);  X (T, N, M).  Returns (T, [S,] L, N)."""
    z = _standardised(H, C, c, s, X)
    return -0.5 * np.einsum("...m,...m->...", z, z) - np.log(s).sum() - 0.5 * len(s) * np.log(2 * np.pi)


def _log_gaussian_vjp(argnums, _ell, args, _):
    r"""With z = (x - mean) / s: d ell / d mean = z / s, and d ell / d s = (z^2 - 1) / s."""
    H, C, c, s, X = args

    def vjp(g):
        z = _standardised(H, C, c, s, X)
        z, g = z.reshape(-1, len(s)), g.reshape(-1, 1)
        dmean = g * z / s
        ds = (np.sum(g * z * z, axis=0) - g.sum()) / s
        gradient = {
            0: lambda: np.dot(dmean, C.T).reshape(H.shape),
            1: lambda: _outer(H, dmean),
            2: lambda: dmean.sum(axis=0),
            3: lambda: ds,
        }
        return tuple(gradient[i]() for i in argnums)

    return vjp


defvjp_argnums(log_gaussian, _log_gaussian_vjp)


def _standardised(H, C, c, s, X):
    mean = np.dot(H.reshape(-1, len(C)), C).reshape(*H.shape[:-1], len(c))
    over = (slice(None), *(None,) * (H.ndim - 3))  # X gets the axes of samples and particles
    return (X[over] - c - mean) / s


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
    stay, leave = -np.logaddexp(0.0, -logit_rho), -np.logaddexp(0.0, logit_rho) - np.log(L)
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


def _log_forward_vjp(argnums, _steps, args, _):
    r"""b_t, the gradient with respect to ell_t: b_t = u_t + (g_t - sum u_t) w_t with u_t = k_{t+1} b_{t+1}.

    For g = 1 that is the backward pass of forward-backward, and b_t the smoothed posterior over particles.
    """
    ell, logit_rho = args
    rho = np.exp(-np.logaddexp(0.0, -logit_rho))

    def vjp(g):
        _, log_w, k = _forward(ell, logit_rho)
        b, u = np.empty_like(ell), np.zeros(ell.shape[1:])
        for t in range(len(ell) - 1, -1, -1):
            b[t] = u + (g[t] - u.sum(axis=-2))[..., None, :] * np.exp(log_w[t])
            u = k[t] * b[t]
        slope = np.sum(b[1:] * ((1.0 - rho) * k[1:] - rho * (1.0 - k[1:])))
        return tuple(b if i == 0 else slope for i in argnums)

    return vjp


defvjp_argnums(log_forward, _log_forward_vjp)


def _logits(rows, C, c):
    r"""(V, rows): symbols first, so that sums over them run along whole cache lines."""
    z = np.dot(C.T, rows.T)
    z += c[:, None]
    return z


def _parts(H, X, V):
    r"""Steps in blocks: the slice, its hidden states as rows (R, D), and the symbol of every row."""
    per_step = H[0, ..., 0].size
    for part in _blocks(len(H), per_step * V):
        over = (slice(None), *(None,) * (H.ndim - 3))  # X gets the axes of samples and particles
        symbols = np.broadcast_to(X[part][over], H[part].shape[:-1]).reshape(-1)
        yield part, H[part].reshape(-1, H.shape[-1]), symbols


def _blocks(n, width):
    r"""Slices of 0..n so that a block times `width` numbers fits into BLOCK."""
    size = max(1, BLOCK // max(1, width))
    return [slice(i, min(i + size, n)) for i in range(0, n, size)]
