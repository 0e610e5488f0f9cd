r"""The reference implementation of one paper: J. Sohl-Dickstein and D. P. Kingma, "Note on Equivalence Between Recurrent
Neural Network Time Series Models and Variational Bayesian Models", arXiv:1504.08025.

Read the modules in this order, which is also the order in which they import one another:

    numerics     log_mean_exp and other plumbing          likelihood   Section 1.2, Eqs. (3)-(5)
    kernels      the four calls that must be fast         inference    Section 2.1, Eqs. (6)-(8)
    emissions    p(x_t | h_t)                              bound        Section 2.2, Eqs. (9)-(15)
    rnn          Section 1.1, Eqs. (1)-(2)                 noise        Section 2.3, Eq. (16)
    exact, quadrature, kalman    ground truth: log p(X), K and the posterior over trajectories, three ways
    appendix     Appendix A, Eqs. (18)-(26)                particles    Section 3.1, Eqs. (17), (26), (27)
    data         q(X)                                      training     fit, save, load
    equations    the paper as data: where each equation stands in the code

The paper's letters and ours:

    x_t, X       visible state, sequences (T, N) or (T, N, M)        f, F         Eqs. (1), (2)
    h_t, H       hidden state, trajectories (T, [S,] L, N, D)       q(X)         the data: E_q(X)[.] is np.mean over N
    h_1          theta["h1"] (L, D)                                  q(H|X)       the inference model, Eq. (6)
    T, N, D      steps, sequences, hidden size                        K            the bound, Eq. (14)
    L, S         particles, noise samples                             script L     log p(X), always spelled out here
    V, M         symbols, visible dimensions                          eps, sigma   noise (eps[0] is eps_2) and its scale
    ell          log p(x_t | h_t), (T, [S,] L, N), in nats            theta        the parameters, a dict of arrays
"""

from importlib import import_module

from rnnvae_ref.emissions import Categorical, Gaussian
from rnnvae_ref.likelihood import log_likelihood, log_likelihood_steps
from rnnvae_ref.rnn import RNN, F, f, predict, run, sample, table

__version__ = "0.1.0"
MODULES = (
    "appendix", "bound", "data", "equations", "evaluation", "exact", "inference", "kalman", "noise", "particles", "quadrature",
    "training",
)  # fmt: skip
LATER = {"K_noise": "noise", "fit": "training", "Fit": "training", "load": "training", "save": "training"}
__all__ = [
    "RNN", "Categorical", "F", "Gaussian", "f", "log_likelihood", "log_likelihood_steps", "predict", "run", "sample", "table",
    *LATER, *MODULES,
]  # fmt: skip


def __getattr__(name):
    r"""What is not needed to run a model is loaded when it is first asked for, which halves the start-up."""
    if name in LATER:
        return getattr(import_module(f"rnnvae_ref.{LATER[name]}"), name)
    if name in MODULES:
        return import_module(f"rnnvae_ref.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
