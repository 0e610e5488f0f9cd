r"""Section 2.1: the inference model, Eqs. (6)-(8).

Without noise q(H|X) is a delta and has no density, so here the dynamics has noise:
h_t = f(h_{t-1}, x_{t-1}) + sigma * eps_t. The distribution of eps_t is the noise *law*. p and q are
one function of the law, `log_p_h_steps`: Eq. (6) is q with the model's own law. sigma -> 0 gives
the deltas of Eqs. (1)-(2)."""

import autograd.numpy as np

from rnnvae_ref.laws import check_law
from rnnvae_ref.numerics import TIME, check, check_array, untraced
from rnnvae_ref.rnn import check_sigma, f, one_particle, prepare_unpadded


def log_p_h_steps(rnn, theta, X, H, sigma, law):
    r"""log p(h_t | h_{t-1}, x_{t-1}), Eq. (1) with noise, for t = 2..T, nats, (T-1, S, N).

    X without padding;  H (T, S, 1, N, D);  sigma other than 0.  A density for `Normal` noise; for
    `Discrete` a probability, -inf off its nodes. ValueError if sigma is too small for H."""
    X = _prepare(rnn, theta, X, H)
    check_sigma(rnn, sigma, nonzero=True)
    check_law("law (or p, q)", law)
    means = [f(rnn, theta, h, x) for h, x in zip(H[:-1], X[:-1], strict=True)]
    means = np.reshape(np.array(means), H[1:].shape)  # for T = 1, where the list is empty
    eps = (H[1:] - means) / sigma
    # Rounding of h, divided by sigma: how far eps may be off.
    largest, least = np.max(np.abs(untraced(H)), initial=1.0), np.min(np.abs(untraced(sigma)))
    rounding = 8 * np.finfo(float).eps * largest / least
    return one_particle(law.log_p_h(eps, sigma, rounding))


def log_q_steps(rnn, theta, X, H, sigma, law):
    r"""Eq. (6).  log q(h_t | x_{t-1}, h_{t-1}) for t = 2..T, nats, (T-1, S, N)."""
    return log_p_h_steps(rnn, theta, X, H, sigma, law)


def log_q(rnn, theta, X, H, sigma, law):
    r"""Eq. (7).  log q(H|X) = sum_t log q(h_t | x_{t-1}, h_{t-1}), t = 2..T, nats, (S, N)."""
    return np.sum(log_q_steps(rnn, theta, X, H, sigma, law), axis=TIME)


def log_p_x_steps(rnn, theta, X, H):
    r"""log p(x_t | h_t) of given trajectories H (T, S, 1, N, D), nats, (T, S, N)."""
    X = _prepare(rnn, theta, X, H)
    ell = [rnn.emission.log_p(theta, h, x) for h, x in zip(H, X, strict=True)]
    return one_particle(np.array(ell))


def log_joint(rnn, theta, X, H, sigma, law):
    r"""log p(H, X), nats, (S, N): the dynamics, t = 2..T, and the emissions, t = 1..T."""
    dynamics = np.sum(log_p_h_steps(rnn, theta, X, H, sigma, law), axis=TIME)
    emissions = np.sum(log_p_x_steps(rnn, theta, X, H), axis=TIME)
    return dynamics + emissions


def log_posterior(rnn, theta, X, H, sigma, law, evidence):
    r"""Eq. (8), its right side.  log p(H|X) = log p(H, X) - log p(X), nats, (S, N), by Bayes' rule.

    evidence: log p(X), (N,), for the same sigma and law, as from `enumeration.log_p`. At
    H = F(X, eps, sigma), log_posterior - log_q tends to 0 as sigma -> 0.
    DEPARTS: with noise they differ, unless prod_t p(x_t|h_t) is the same for all trajectories."""
    joint = log_joint(rnn, theta, X, H, sigma, law)
    check_array("evidence", evidence, [joint.shape[1:]])
    return joint - evidence


def _prepare(rnn, theta, X, H):
    r"""X, checked, without padding; ValueError also where H does not fit (H[0] may be any h_1)."""
    X = prepare_unpadded(rnn, theta, X)
    (T, N), D, shape = X.shape[:2], rnn.hidden, np.shape(untraced(H))
    wanted = f"H must be trajectories (T, S, 1, N, D) = ({T}, S, 1, {N}, {D}), as F gives"
    fits = len(shape) == 5 and 0 not in shape and (shape[0], *shape[3:]) == (T, N, D)
    check(fits, f"{wanted} for eps (T-1, S, 1, N, D)", H)
    check_array("H", H)
    return X
