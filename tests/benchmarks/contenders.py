"""The same value and gradient in seven ways: - mean_n log (1/L) sum_l exp sum_t log p(x_t | h_t^l),
float64, one thread.

Each takes (rnn, theta, X) and returns two functions: step(), which is timed, and read(what step
gave) -> (value, gradients), the gradients under our names. PyTorch (eager) and JAX (compiled) are
written as their users would write them for speed: the one-hot vectors of nn.RNN and all conversions
of data are made before the clock starts.
"""

import math

import numpy as np

HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)


def plain(rnn, theta, X):
    """The loop that reads like the paper, differentiated by autograd operation by operation."""
    import autograd.numpy as anp
    from autograd import value_and_grad

    from rnnvae_ref import F
    from rnnvae_ref.numerics import PARTICLES, TIME, log_mean_exp

    def loss(theta):
        H = F(rnn, theta, X)
        ell = anp.array([rnn.emission.log_p(theta, h, x) for h, x in zip(H, X, strict=True)])
        return -anp.mean(log_mean_exp(anp.sum(ell, axis=TIME), axis=PARTICLES))

    step = value_and_grad(loss)
    return lambda: step(theta), lambda result: result


def ours(rnn, theta, X):
    """This project."""
    from autograd import value_and_grad

    from rnnvae_ref.numerics import np as anp
    from rnnvae_ref.particles import trajectory_mixture

    step = value_and_grad(lambda theta: -anp.mean(trajectory_mixture(rnn, theta, X)))
    return lambda: step(theta), lambda result: result


def by_hand(rnn, theta, X):
    """Backpropagation as one writes it by hand in NumPy, without autograd and without blocks."""
    symbols = X.ndim == 2
    x = np.eye(len(theta["U"]))[X] if symbols else X
    (T, N), (L, D) = X.shape[:2], theta["h1"].shape

    def step():
        W, U, b, C, c = (theta[key] for key in ("W", "U", "b", "C", "c"))
        H = np.empty((T, L * N, D))
        H[0] = np.repeat(theta["h1"], N, axis=0)
        drive = np.tile(x[:-1] @ U + b, (1, L, 1))
        for t in range(T - 1):
            H[t + 1] = np.tanh(H[t] @ W + drive[t])
        out, target = (H @ C + c).reshape(T, L, N, -1), x[:, None]
        if symbols:
            e = np.exp(out - out.max(axis=-1, keepdims=True))
            p = e / e.sum(axis=-1, keepdims=True)
            ell = np.log((p * target).sum(axis=-1))
        else:
            s = np.exp(theta["log_s"])
            z = (target - out) / s
            ell = -0.5 * (z * z).sum(axis=-1) - theta["log_s"].sum() - HALF_LOG_2_PI
        total = ell.sum(axis=0)
        weight = np.exp(total - total.max(axis=0))
        value = -np.mean(np.log(weight.mean(axis=0)) + total.max(axis=0))
        g = -weight / weight.sum(axis=0) / N * np.ones((T, 1, 1))
        dout = g[..., None] * (target - p if symbols else z / s)
        grad = {} if symbols else {"log_s": (g[..., None] * (z * z - 1)).sum(axis=(0, 1, 2))}
        dout = dout.reshape(T * L * N, -1)
        grad |= {"C": H.reshape(-1, D).T @ dout, "c": dout.sum(axis=0)}
        dH, da = (dout @ C.T).reshape(T, L * N, D), np.empty((T - 1, L * N, D))
        lam = dH[-1]
        for t in range(T - 2, -1, -1):
            da[t] = lam * (1 - H[t + 1] ** 2)
            lam = dH[t] + da[t] @ W.T
        flat = da.reshape(-1, D)
        grad |= {
            "W": H[:-1].reshape(-1, D).T @ flat,
            "b": flat.sum(axis=0),
            "h1": lam.reshape(L, N, D).sum(axis=1),
        }
        grad["U"] = x[:-1].reshape(-1, len(U)).T @ da.reshape(T - 1, L, N, D).sum(axis=1).reshape(
            -1, D
        )
        return value, grad

    return step, lambda result: result


def floor(rnn, theta, X):
    """Only the matrix products that the value and the gradient need, into memory that is there
    already.
    """
    (T, N), (L, D), V = X.shape[:2], theta["h1"].shape, len(theta["c"])
    rng = np.random.default_rng(0)
    H, dH, out = (
        rng.standard_normal((T, L * N, D)),
        np.empty((T, L * N, D)),
        rng.standard_normal((T * L * N, V)),
    )
    W, WT, C, CT = theta["W"], theta["W"].T.copy(), theta["C"], theta["C"].T.copy()
    dW, dC, flat, dflat = np.empty((D, D)), np.empty((D, V)), H.reshape(-1, D), dH.reshape(-1, D)
    row = np.empty((L * N, D))
    past, onward = H[:-1].reshape(-1, D).T, dH[1:].reshape(-1, D)

    def step():
        for h in H[1:]:
            h.dot(W, row)
        flat.dot(C, out)
        out.dot(CT, dflat)
        flat.T.dot(out, dC)
        for lam in dH[1:]:
            lam.dot(WT, row)
        past.dot(onward, dW)

    return step, None


def _torch(theta):
    import torch

    torch.set_num_threads(1)
    p = {key: torch.tensor(value, requires_grad=True) for key, value in theta.items()}

    def backward(value, parameters=p):
        for parameter in parameters.values():
            parameter.grad = None
        value.backward()
        return value, parameters

    def read(result):
        value, parameters = result
        return value.item(), {key: parameter.grad.numpy() for key, parameter in parameters.items()}

    return torch, p, backward, read


def _torch_score(torch, p, H, X):
    """- mean_n log (1/L) sum_l exp sum_t log p(x_t | h_t^l), from H (T, L, N, D)."""
    T, L, N, _ = H.shape
    out = H @ p["C"] + p["c"]
    if "log_s" in p:
        z = (X[:, None] - out) * torch.exp(-p["log_s"])
        ell = -0.5 * (z * z).sum(-1) - p["log_s"].sum() - HALF_LOG_2_PI
    else:
        target = X[:, None].expand(T, L, N).reshape(-1)
        ell = -torch.nn.functional.cross_entropy(
            out.reshape(T * L * N, -1), target, reduction="none"
        ).reshape(T, L, N)
    return -(torch.logsumexp(ell.sum(0), 0) - math.log(L)).mean()


def torch_rnn(rnn, theta, X):
    """PyTorch's nn.RNN; particles are part of its batch: it multiplies the input once for each."""
    torch, p, backward, read = _torch(theta)
    (L, D), (T, N) = theta["h1"].shape, X.shape[:2]
    cell = torch.nn.RNN(len(theta["U"]), D, dtype=torch.float64)
    names = {"W": cell.weight_hh_l0, "U": cell.weight_ih_l0, "b": cell.bias_ih_l0}
    for key, parameter in names.items():
        parameter.data = torch.tensor(theta[key].T.copy())
    cell.bias_hh_l0.data.zero_()
    cell.bias_hh_l0.requires_grad_(False)
    parameters = p | names
    X = torch.tensor(X)
    x = X if X.ndim == 3 else torch.nn.functional.one_hot(X, len(theta["U"])).double()
    x = x[:-1, None].expand(T - 1, L, N, x.shape[-1]).reshape(T - 1, L * N, -1).contiguous()

    def step():
        first = p["h1"][:, None].expand(L, N, D).reshape(1, L * N, D)
        H = torch.cat([first, cell(x, first)[0]]).reshape(T, L, N, D)
        return backward(_torch_score(torch, p, H, X), parameters)

    def turned(result):
        value, g = read(result)
        return value, g | {key: g[key].T for key in ("W", "U")}

    return step, turned


def torch_loop(rnn, theta, X):
    """A loop in PyTorch, the input of all steps computed at once."""
    torch, p, backward, read = _torch(theta)
    (L, D), (T, N) = theta["h1"].shape, X.shape[:2]
    X = torch.tensor(X)

    def step():
        drive = (
            X[:-1] @ p["U"] if X.ndim == 3 else torch.nn.functional.embedding(X[:-1], p["U"])
        ) + p["b"]
        if L > 1:
            drive = drive[:, None].expand(T - 1, L, N, D).reshape(T - 1, L * N, D)
        H = [p["h1"].repeat_interleave(N, 0)]
        for d in drive.unbind():
            H.append(torch.tanh(torch.addmm(d, H[-1], p["W"])))
        return backward(_torch_score(torch, p, torch.stack(H).reshape(T, L, N, D), X))

    return step, read


def jax_scan(rnn, theta, X):
    """JAX: lax.scan, compiled."""
    import jax

    loss, p, X = jax_loss(theta, X)
    compiled = jax.jit(jax.value_and_grad(loss))
    return lambda: jax.block_until_ready(compiled(p, X)), lambda r: (
        float(r[0]),
        {k: np.asarray(v) for k, v in r[1].items()},
    )


def jax_loss(theta, X):
    """The loss as a function of (p, X), and both as JAX's arrays."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    (L, D), (_, N) = theta["h1"].shape, X.shape[:2]

    def loss(p, X):
        drive = (X[:-1] @ p["U"] if X.ndim == 3 else p["U"][X[:-1]]) + p["b"]
        first = jnp.broadcast_to(p["h1"][:, None], (L, N, D))

        def onward(h, d):
            h = jnp.tanh(h @ p["W"] + d)
            return h, h

        H = jnp.concatenate([first[None], jax.lax.scan(onward, first, drive)[1]])
        out = H @ p["C"] + p["c"]
        if X.ndim == 3:
            z = (X[:, None] - out) * jnp.exp(-p["log_s"])
            ell = -0.5 * (z * z).sum(-1) - p["log_s"].sum() - HALF_LOG_2_PI
        else:
            ell = jnp.take_along_axis(jax.nn.log_softmax(out), X[:, None, :, None], -1)[..., 0]
        return -(jax.nn.logsumexp(ell.sum(0), axis=0) - math.log(L)).mean()

    return loss, jax.tree.map(jnp.asarray, theta), jnp.asarray(X)


CONTENDERS = {f.__name__: f for f in (plain, ours, by_hand, torch_rnn, torch_loop, jax_scan, floor)}
