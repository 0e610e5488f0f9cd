r"""The executable paper: every numbered equation evaluated on a small model, left side against right side.

All values are exact, by enumeration over two-point noise: T = 3, D = 1, two sequences, two particles. A row's relation is the
paper's; the verdict says whether it was found to hold. Deltas are read as the limit sigma -> 0 of noise with scale sigma.
"""

from dataclasses import dataclass, field, replace

import autograd.numpy as np

from rnnvae_ref import appendix, bound, exact, kalman, likelihood, noise, particles
from rnnvae_ref.emissions import Categorical, Gaussian
from rnnvae_ref.equations import EQUATIONS
from rnnvae_ref.inference import TWO_POINT, Discrete, log_p_h_steps, log_posterior, log_q, log_q_steps
from rnnvae_ref.numerics import log_mean_exp
from rnnvae_ref.rnn import RNN, F, f, run

SIGMA, SMALL, TOLERANCE = 0.7, 1e-7, 1e-9
HOLDS, READING, DEPARTS, FAILS = "holds", "holds*", "departs", "FAILS"
# What the paper says and is true only in a reading that it does not spell out, and what is not true. The rest holds.
DOCUMENTED = {8: READING, 15: READING, 18: READING, 17: DEPARTS, 27: DEPARTS}


@dataclass(frozen=True)
class Row:
    r"""One evaluated statement: left `relation` right, and whether it was found to hold."""

    number: int | str
    says: str
    left: float
    relation: str
    right: float
    verdict: str
    documented: str = HOLDS

    @property
    def difference(self):
        return abs(self.left - self.right)


@dataclass
class Case:
    r"""The small model: one particle, the same with two, data, all noise paths and their trajectories."""

    emission: str = "categorical"
    seed: int = 0
    q: Discrete = field(default_factory=lambda: Discrete((-1.0, 1.0), (0.3, 0.7)))  # another q than Eq. (6)'s

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        kind = {"categorical": Categorical(2), "gaussian": Gaussian()}[self.emission]
        self.two = RNN(kind, 1, particles=2)
        self.rnn = replace(self.two, particles=1)
        self.theta2 = self.two.init(rng, scale=2.0)
        self.theta = self.theta2 | {"h1": self.theta2["h1"][:1]}
        self.X = rng.integers(0, 2, (3, 2)) if self.emission == "categorical" else rng.standard_normal((3, 2, 1))
        self.eps, self.log_w = exact.paths(TWO_POINT, 3, 1)
        self.log_w_q = exact.paths(self.q, 3, 1)[1]
        self.args = self.rnn, self.theta, self.X
        self.H = F(*self.args, self.eps, SIGMA)
        self.mixed = self.two, self.theta2, self.X, SIGMA, TWO_POINT, self.q


def _eq1(c):
    return run(*c.args)[0][1], f(c.rnn, c.theta, F(*c.args)[0], c.X[0])


def _eq2(c):
    return run(*c.args)[0], F(*c.args)


def _eq3(c):
    return likelihood.log_p_X(*c.args), exact.log_p(*c.args, TWO_POINT, 0.0)


def _eq4(c):
    return likelihood.expected_log_likelihood(*c.args), likelihood.log_p_X(*c.args)


def _eq5(c):
    return likelihood.log_likelihood(*c.args), likelihood.log_p_X(*c.args)


def _eq6(c):
    chances = np.where(c.eps[:, :, 0, :, 0] > 0, *TWO_POINT.weights[::-1])  # of each step of each path
    return log_q_steps(*c.args, c.H, SIGMA, TWO_POINT), np.log(chances) + np.zeros((2, 4, 2))


def _eq7(c):
    factors = log_p_h_steps(*c.args, c.H, SIGMA, TWO_POINT)
    return log_q(*c.args, c.H, SIGMA, TWO_POINT), factors[0] + factors[1]


def _eq8(c):
    H = F(*c.args, c.eps, SMALL)
    evidence = exact.log_p(*c.args, TWO_POINT, SMALL)
    return log_q(*c.args, H, SMALL, TWO_POINT), log_posterior(*c.args, H, SMALL, TWO_POINT, evidence)


def _eq9(c):
    return bound.log_evidence(*c.args, TWO_POINT, SIGMA), log_mean_exp(
        np.sum(run(*c.args, c.eps, SIGMA)[1][:, :, 0], axis=0), axis=0
    )


def _eq10(c):
    return bound.log_marginal(*c.args, TWO_POINT, SIGMA), bound.log_evidence(*c.args, TWO_POINT, SIGMA)


def _eq11(c):
    importance = bound.log_importance(*c.args, c.H, SIGMA, TWO_POINT, c.q, c.log_w_q)
    return importance, bound.log_marginal(*c.args, TWO_POINT, SIGMA)


def _eq12(c):
    importance = bound.log_importance(*c.args, c.H, SIGMA, TWO_POINT, c.q, c.log_w_q)
    return importance, bound.jensen(*c.args, c.H, SIGMA, TWO_POINT, c.q, c.log_w_q)


def _eq13(c):
    return bound.factorised(*c.args, c.H, SIGMA, TWO_POINT, c.log_w), bound.jensen(
        *c.args, c.H, SIGMA, TWO_POINT, TWO_POINT, c.log_w
    )


def _eq14(c):
    return bound.K(*c.args, c.H, c.log_w), bound.factorised(*c.args, c.H, SIGMA, TWO_POINT, c.log_w)


def _eq15(c):
    return bound.K_delta(*c.args), bound.K(*c.args, F(*c.args, c.eps, SMALL), c.log_w)


def _eq16(c):
    return noise.K_noise(*c.args, c.eps, SIGMA, c.log_w), bound.K(*c.args, c.H, c.log_w)


def two_steps(x):
    r"""Two particles that stay at +-1, s = 1, data (2, x): log weights (5,1) and, for x = -2, (1,5), all less 6.42."""
    theta = {"h1": [[1.0], [-1.0]], "W": [[1.0]], "U": [[0.0]], "b": [0.0], "C": [[1.0]], "c": [0.0], "log_s": [0.0]}
    rnn = RNN(Gaussian(), 1, particles=2, transition="linear")
    return rnn, {key: np.array(value) for key, value in theta.items()}, np.array([[[2.0]], [[x]]])


def _eq17(c):
    example = two_steps(-2.0)
    each = [likelihood.log_p_X(one, th, example[2]) for one, th in appendix.each(*example[:2])]
    return log_mean_exp(np.array(each), axis=0), particles.per_step_mixture(*example)


def _eq18(c):
    ell = run(c.two, c.theta2, c.X, c.eps, SIGMA)[1]  # both particles on every path, (T, P, L, N)
    over_paths = log_mean_exp(np.sum(ell, axis=0), axis=0)
    return appendix.eq18(*c.mixed), log_mean_exp(over_paths, axis=0)


def chain(line, before):
    r"""A line of Appendix A against the one before it."""
    return lambda c: (getattr(appendix, line)(*c.mixed), getattr(appendix, before)(*c.mixed))


def _eq22(c):
    pairs = c.log_w_q[:, None] + c.log_w_q  # the coin's weight of every joint path
    return appendix.eq22(*c.mixed), np.repeat(pairs.reshape(-1, 1), 2, axis=1)


def _eq27(c):
    example = two_steps(-2.0)
    return particles.trajectory_mixture(*example), particles.per_step_mixture(*example)


LINES = [f"eq{n}" for n in (18, 19, 20, 21, 23, 24, 25, 26)]  # (22) is a definition, and has a check of its own
CHECKS = {int(name[3:]): check for name, check in list(globals().items()) if name.startswith("_eq")}
CHECKS |= {n: chain(*pair) for n, pair in zip((19, 20, 21, 23, 24, 25, 26), zip(LINES[1:], LINES, strict=False), strict=True)}
RELATIONS = {12: ">=", 17: ">=", 27: ">="}


def evaluate(case):
    r"""All 27 rows, then the propositions."""
    rows = [equation_row(e, case) for e in EQUATIONS]
    try:
        return rows + [row(name, *rest) for name, *rest in propositions(case)]
    except (ValueError, ArithmeticError) as error:
        return [*rows, row("", f"propositions: {error}"[:37], np.nan, np.nan)]


def equation_row(e, case):
    r"""The row of one equation; one whose functions raise FAILS, and leaves the others to be read."""
    try:
        sides = CHECKS[e.number](case)
    except (ValueError, ArithmeticError):
        sides = np.nan, np.nan
    return row(e.number, e.says, *sides, RELATIONS.get(e.number, "="), DOCUMENTED.get(e.number, HOLDS))


def row(number, says, left, right, relation="=", documented=HOLDS):
    r"""The verdict compares all entries; the values shown are the means over them."""
    left, right = np.asarray(left), np.asarray(right)
    slack = 1e-5 if documented == READING else TOLERANCE
    true = np.all(left >= right - TOLERANCE) if relation == ">=" else np.allclose(left, right, rtol=slack, atol=slack)
    untrue = DEPARTS if documented == DEPARTS and np.isfinite(left + right).all() else FAILS
    verdict = (READING if documented == READING else HOLDS) if true else untrue
    return Row(number, says, float(left.mean()), relation, float(right.mean()), verdict, documented)


def propositions(c):
    r"""What is true beside and instead of the paper's lines: name, statement, left, right, relation."""
    log_p, K = exact.log_p(*c.args, TWO_POINT, SIGMA), noise.K_noise(*c.args, c.eps, SIGMA, c.log_w)
    eq4 = likelihood.expected_log_likelihood(*c.args, c.eps, SIGMA, exact.log_path_posterior(*c.args, TWO_POINT, SIGMA))
    rnn, theta, x = noise.counterexample()
    raised = noise.K_noise(rnn, theta, x, c.eps, 0.1, c.log_w)
    same, switched = two_steps(2.0), two_steps(-2.0)
    sticky = lambda logit_rho: particles.sticky_mixture(c.two, c.theta2, c.X, logit_rho)
    yield "A5", "log p(X) - K = KL(q || posterior)", log_p - K, exact.kl_q_posterior(*c.args, TWO_POINT, SIGMA)
    yield "A7", "(4) >= (3) with noise", eq4, log_p, ">="
    yield "A7", "(3) >= (14) with noise", log_p, K, ">="
    yield "B1", "linear example: K(0) - K(0.5), T = 40", kalman.penalty(*linear(), 40, 0.5), parabola()
    yield "B2", "a fixed noise path does no worse", fixed_path(c), K.mean(), ">="
    yield "B3", "noise can raise K: K(0.1) >= K(0)", raised, likelihood.log_likelihood(rnn, theta, x), ">="
    yield "C1", "(26) can exceed (17)", particles.trajectory_mixture(*same), particles.per_step_mixture(*same), ">="
    yield "C1", "(17) can exceed (26)", particles.per_step_mixture(*switched), particles.trajectory_mixture(*switched), ">="
    yield "C3", "sticky at rho = 1 is (26)", sticky(np.inf), particles.trajectory_mixture(c.two, c.theta2, c.X)
    yield "C3", "sticky at rho = 0 is (17)", sticky(-np.inf), particles.per_step_mixture(c.two, c.theta2, c.X)
    yield "C5", "Jensen's bound of (26) is below it", appendix.eq26(*c.mixed), appendix.jensen(*c.mixed), ">="


def linear():
    r"""The linear example of Section 2.3: a = 0.6, b = 0.3, c = 1, s = 0.5."""
    theta = {"h1": [[0.0]], "W": [[0.6]], "U": [[0.3]], "b": [0.0], "C": [[1.0]], "c": [0.0], "log_s": [np.log(0.5)]}
    return RNN(Gaussian(), 1, transition="linear"), {key: np.array(value) for key, value in theta.items()}


def parabola():
    r"""sigma^2 / (2 s^2) sum_t v_t with v_1 = 0, v_t = 1 + a^2 v_{t-1}, for the example at sigma = s = 0.5, T = 40."""
    return 0.5 * sum((1 - 0.36**t) / (1 - 0.36) for t in range(40))


def fixed_path(c):
    r"""The mean over the data of K on the best fixed noise path."""
    path = noise.best_path(*c.args, TWO_POINT, SIGMA)
    return noise.K_noise(*c.args, path, SIGMA).mean()
