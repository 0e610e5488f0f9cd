r"""Which variables does each factor of the generative and of the inference model depend on, and
when is q the posterior?

The arrows are not drawn from the paper but measured on the code: move one variable, hold the
others, see what changes. Each panel has calls of its own. Into h_t: p with noise and without by the
fast rollout, started at h_{t-1}, its noise held; q with noise by the densities of Eq. (6), without
by F of Eq. (2), started at h_{t-1}. h_t -> x_t: by log p(x_t | h_t). See: p and q have the same
arrows into h_t (Eq. 6); only p has h_t -> x_t. With noise, h_t is a random variable (circle) and q
is not the posterior: KL > 0. With delta dynamics h_t is a number (diamond) and KL = 0: Eq. (8). The
KL is exact, for two-point noise sigma * (+-1), a sum over all four paths; the densities are those
of normal noise. Both have sigma = 1. Falsified by: another arrow, or a KL that is 0 with noise or
not 0 without. Cells: 1 model x 1 x 0 steps. Time: 1 s.
"""

import autograd.numpy as np
import matplotlib.pyplot as plt
from matplotlib.lines import Line2D

from figures import style
from rnnvae_ref import RNN, F, Gaussian, enumeration
from rnnvae_ref.inference import log_p_x_steps, log_q_steps
from rnnvae_ref.laws import TWO_POINT, Normal
from rnnvae_ref.rnn import unroll

T, SIGMA, GREY = 3, 1.0, "#cccccc"


def compute(rng, *, seeds=1, steps=0):
    rnn = RNN(Gaussian(), 1)
    theta, X = rnn.init(rng, scale=2.0), rng.standard_normal((T, 1, 1))
    eps = rng.standard_normal((T - 1, 1, 1, 1, 1))
    rows = {"noise": (eps, SIGMA, densities), "delta": (np.zeros_like(eps), 0.0, recursion)}
    return {name: row(rnn, theta, X, *settings) for name, settings in rows.items()}


def row(rnn, theta, X, eps, sigma, into_h_of_q):
    r"""Arrows of p and q as [parent, child], and KL(q || posterior), around one trajectory."""
    H = F(rnn, theta, X, eps, sigma)
    measured = lambda factors: arrows(X, H, lambda X, H: factors(rnn, theta, X, H))
    generative = measured(lambda *at: rollouts(*at, eps, sigma)) + measured(emissions)
    kl = enumeration.kl_q_posterior(rnn, theta, X, sigma, TWO_POINT)[0]
    return {"p": generative, "q": measured(into_h_of_q), "kl": kl}


def rollouts(rnn, theta, X, H, eps, sigma):
    r"""h_2 .. h_T by the fast rollout from the h before; of the noise nothing moves."""
    return {
        f"h{t + 1}": unroll(rnn, started(theta, H[t - 1]), X[t - 1 :], eps[t - 1 :], sigma)[0][
            1
        ].item()
        for t in range(1, T)
    }


def recursion(rnn, theta, X, H):
    r"""h_2 .. h_T by the plain F of Eq. (2) from the h before: q is the delta there."""
    return {
        f"h{t + 1}": F(rnn, started(theta, H[t - 1]), X[t - 1 :])[1].item() for t in range(1, T)
    }


def started(theta, h):
    return theta | {"h1": h.reshape(1, 1)}


def densities(rnn, theta, X, H):
    r"""log q(h_t | x_{t-1}, h_{t-1}) for t = 2..T, by the name of the child."""
    return {
        f"h{t + 2}": v
        for t, v in enumerate(log_q_steps(rnn, theta, X, H, SIGMA, Normal())[:, 0, 0])
    }


def emissions(rnn, theta, X, H):
    return {f"x{t + 1}": v for t, v in enumerate(log_p_x_steps(rnn, theta, X, H)[:, 0, 0])}


def arrows(X, H, factors):
    r"""[parent, child] wherever moving the parent changes the child's factor."""
    before, found = factors(X, H), []
    for t in range(T):
        moved = (np.arange(T) == t).astype(float)
        shifted = {
            f"h{t + 1}": (X, H + moved[:, None, None, None, None]),
            f"x{t + 1}": (X + moved[:, None, None], H),
        }
        for name, at in shifted.items():
            after = factors(*at)
            found += [
                [name, child] for child in before if child != name and after[child] != before[child]
            ]
    return found


def headline(numbers):
    return {
        "arrows of the generative model": (len(numbers["noise"]["p"]), 0),
        "arrows of the inference model": (len(numbers["noise"]["q"]), 0),
        "arrows of the generative model, delta dynamics": (len(numbers["delta"]["p"]), 0),
        "arrows of the inference model, delta dynamics": (len(numbers["delta"]["q"]), 0),
        "KL(q || posterior) with noise, nats": (numbers["noise"]["kl"], 1e-6),
        "KL(q || posterior) with delta dynamics, nats": (abs(numbers["delta"]["kl"]), 1e-9),
    }


def plot(numbers):
    figure, axes = plt.subplots(2, 2, figsize=(5.2, 3.9))
    for i, (name, words) in enumerate([("noise", "with noise"), ("delta", "delta dynamics")]):
        kl, titles = (
            abs(numbers[name]["kl"]),
            [f"generative model p, {words}", f"inference model q, {words}"],
        )
        for j, model in enumerate("pq"):
            draw(axes[i, j], numbers[name][model], noisy=name == "noise", generative=model == "p")
            axes[i, j].set_title(titles[j], fontsize=9.5)
        value = f"{kl:.3f} nats" if kl > 1e-12 else "0"
        axes[i, 1].text(1.5, -0.62, f"KL(q || posterior) = {value}", ha="center", va="top")
    legend(figure)
    return figure


def draw(axis, edges, noisy, generative):
    r"""h in the upper row, x in the lower."""
    place = {
        f"{kind}{t}": (1.5 * (t - 1), 1.3 * (kind == "h")) for kind in "hx" for t in range(1, T + 1)
    }
    for name, (x, y) in place.items():
        shape = "s" if name == "h1" else "o" if name[0] == "x" or noisy else "D"
        given = name[0] == "x" and not generative
        axis.plot(
            x,
            y,
            shape,
            ms=19 if shape == "o" else 16,
            mfc=GREY if given else "white",
            mec=style.EXACT,
            mew=1.0,
        )
        axis.text(x, y, f"${name[0]}_{name[1]}$", ha="center", va="center", fontsize=10)
    for parent, child in edges:
        style.arrow(axis, place[parent], place[child])
    axis.set(xlim=(-0.6, 3.6), ylim=(-1.1, 1.8), aspect="equal")
    axis.axis("off")


def legend(figure):
    marks = [
        ("s", "white", "parameter"),
        ("o", "white", "random"),
        ("D", "white", "function of its parents"),
        ("o", GREY, "given"),
    ]
    look = {"ls": "", "mec": style.EXACT, "mew": 1.0}
    handles = [
        Line2D([], [], marker=shape, ms=8, mfc=face, label=words, **look)
        for shape, face, words in marks
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=4, handletextpad=0.1, columnspacing=0.9
    )
