r"""The reference implementation of one paper: J. Sohl-Dickstein and D. P. Kingma, "Note on
Equivalence Between Recurrent Neural Network Time Series Models and Variational Bayesian Models",
arXiv:1504.08025.

Read the modules in this order, which is also the order in which they import one another. Those
marked * are the 60-minute path; skip `numerics`, `kernels` and `laws` on a first reading.

    numerics       sums that stay in logarithms, and other plumbing
    kernels        the four calls that must be fast
    laws           of the noise: Normal, Discrete
    emissions      p(x_t | h_t)
  * rnn            Section 1.1, Eqs. (1)-(2): the model
  * likelihood     Section 1.2, Eqs. (3)-(5)
  * inference      Section 2.1, Eqs. (6)-(8)
  * enumeration    ground truth: log p(X) and the posterior by a sum over all noise paths
    quadrature, kalman    ground truth in two other ways
  * bound          Section 2.2, Eqs. (9)-(15)
    noise          Section 2.3, Eq. (16)
    appendix       Appendix A, Eqs. (18)-(26), line by line
  * particles      Section 3.1, Eqs. (17), (27), (26) with deltas, and the family that joins them
    sampling       draws, predictions
    examples       small models whose answers are known
    data           q(X)
    training       fit
    files          save, load
    paper          the 27 equations as a table, which `python -m rnnvae_ref` evaluates

The paper's letters and ours:

    x_t, X   visible state, sequences (T, N) or (T, N, M)   f, F        Eqs. (1), (2)
    h_t, H   hidden state, trajectories (T, [S,] L, N, D)   q(X)        the data: np.mean over N
    h_1      theta["h1"] (L, D)                             q(H|X)      inference model, Eq. (6)
    T, N, D  steps, sequences, hidden size                  K           the bound (ELBO), (12)-(16)
    L, S, P  particles, noise samples, noise paths          script L    mean over N of log p(X)
    V, M     symbols, visible dimensions                    eps, sigma  noise and its scale
    ell      log p(x_t | h_t), (T, [S,] L, N), in nats      theta       parameters, a dict of arrays

DEPARTS in a docstring: not true as printed in the paper."""

__version__ = "0.2.0"

from rnnvae_ref import (
    appendix, bound, data, enumeration, examples, inference, kalman, laws, noise, particles,
    quadrature, sampling,
)  # fmt: skip
from rnnvae_ref.emissions import Categorical, Gaussian
from rnnvae_ref.files import load, save
from rnnvae_ref.likelihood import log_likelihood, log_likelihood_steps
from rnnvae_ref.noise import K_noise
from rnnvae_ref.rnn import RNN, F, f, table, unroll
from rnnvae_ref.sampling import forecast, predict, sample
from rnnvae_ref.training import Fit, fit

__all__ = [
    "RNN", "Categorical", "F", "Fit", "Gaussian", "K_noise", "appendix", "bound", "data",
    "enumeration", "examples", "f", "fit", "forecast", "inference", "kalman", "laws", "load",
    "log_likelihood", "log_likelihood_steps", "noise", "particles", "predict", "quadrature",
    "sample", "sampling", "save", "table", "unroll",
]  # fmt: skip
