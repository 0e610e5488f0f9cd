r"""Which variables does each factor of the generative and of the inference model depend on, and when is q the posterior?

The arrows are not drawn from the paper but measured on the code: move one variable, hold the others, see which factor's log
density changes. See: p and q share the arrows into h_t (Eq. 6); only p has h_t -> x_t. With noise, h_t is a random variable
(circle) and q is not the posterior: KL > 0. With delta dynamics h_t is a number (diamond) and KL = 0: Eq. (8).
Falsified by: another arrow, or a KL that is 0 with noise or not 0 without.
Cells: 1 model x 1 x 0 steps. Time: 1 s.
"""

import autograd.numpy as np
import matplotlib.pyplot as plt

from figures import style
from rnnvae_ref import RNN, F, Gaussian, exact
from rnnvae_ref.inference import TWO_POINT, Normal, log_p_x_steps, log_q_steps

T, SIGMA = 3, 1.0


def compute(rng, *, seeds=1, steps=0):
    rnn = RNN(Gaussian(), 1)
    theta, X = rnn.init(rng, scale=2.0), rng.standard_normal((T, 1, 1))
    H = F(rnn, theta, X, rng.standard_normal((T - 1, 1, 1, 1, 1)), SIGMA)
    kl = {str(s): exact.kl_q_posterior(rnn, theta, X, TWO_POINT, s)[0] for s in (SIGMA, 0.0)}
    return {"dynamics": arrows(rnn, theta, X, H, dynamics), "emission": arrows(rnn, theta, X, H, emissions), "kl": kl}


def dynamics(rnn, theta, X, H):
    r"""log p(h_t | h_{t-1}, x_{t-1}) = log q(h_t | x_{t-1}, h_{t-1}) for t = 2..T, by the name of the child."""
    return {f"h{t + 2}": v for t, v in enumerate(log_q_steps(rnn, theta, X, H, SIGMA, Normal())[:, 0, 0])}


def emissions(rnn, theta, X, H):
    return {f"x{t + 1}": v for t, v in enumerate(log_p_x_steps(rnn, theta, X, H)[:, 0, 0])}


def arrows(rnn, theta, X, H, factors):
    r"""[parent, child] wherever moving the parent changes the child's factor."""
    before, found = factors(rnn, theta, X, H), []
    for t in range(T):
        moved = (np.arange(T) == t).astype(float)
        for name, after in [
            (f"h{t + 1}", factors(rnn, theta, X, H + moved[:, None, None, None, None])),
            (f"x{t + 1}", factors(rnn, theta, X + moved[:, None, None], H)),
        ]:
            found += [[name, child] for child in before if child != name and after[child] != before[child]]
    return found


def headline(numbers):
    return {
        "arrows of the generative model": (len(numbers["dynamics"] + numbers["emission"]), 0),
        "arrows of the inference model": (len(numbers["dynamics"]), 0),
        "KL(q || posterior) with noise, nats": (numbers["kl"][str(SIGMA)], 1e-6),
        "KL(q || posterior) with delta dynamics, nats": (abs(numbers["kl"]["0.0"]), 1e-9),
    }


def plot(numbers):
    figure, axes = plt.subplots(2, 2, figsize=(5.2, 4.4))
    for row, (sigma, name) in enumerate([(SIGMA, "noise"), (0.0, "delta")]):
        kl = abs(numbers["kl"][str(sigma)])
        draw(axes[row, 0], numbers["dynamics"] + numbers["emission"], noisy=sigma > 0, generative=True)
        draw(axes[row, 1], numbers["dynamics"], noisy=sigma > 0, generative=False)
        axes[row, 0].set_title(f"generative p, {name}")
        axes[row, 1].set_title(f"inference q, {name}: KL = {kl:.3f}" if kl > 1e-12 else f"inference q, {name}: KL = 0")
    return figure


def draw(axis, edges, noisy, generative):
    r"""h in the upper row, x in the lower; grey is given, a circle is random, a diamond is a function of its parents."""
    place = {f"{kind}{t}": (1.5 * (t - 1), 1.3 * (kind == "h")) for kind in "hx" for t in range(1, T + 1)}
    for parent, child in edges:
        style.arrow(axis, place[parent], place[child])
    for name, (x, y) in place.items():
        fixed = name == "h1" or (name[0] == "h" and not noisy)
        shape = "s" if name == "h1" else "D" if fixed else "o"
        given = name[0] == "x" and not generative
        axis.plot(x, y, shape, ms=19 if shape == "o" else 16, mfc="#cccccc" if given else "white", mec=style.EXACT, mew=1.0)
        axis.text(x, y, f"${name[0]}_{name[1]}$", ha="center", va="center", fontsize=9)
        if noisy and name[0] == "h" and not fixed:
            style.arrow(axis, (x + 0.35, y + 0.75), (x, y), colour=style.BOUND)
            axis.text(x + 0.4, y + 0.8, rf"$\epsilon_{name[1]}$", color=style.BOUND, ha="left", va="center")
    axis.set(xlim=(-0.6, 3.7), ylim=(-0.5, 2.5), aspect="equal")
    axis.axis("off")
