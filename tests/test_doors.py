"""What makes no sense is refused in one sentence that names the argument.

`odd_inputs` tries much more of it.
"""

import math

import autograd.numpy as np
import numpy as onp
import pytest
from autograd import grad
from numpy.testing import assert_allclose, assert_array_equal

from figures import beyond
from rnnvae_ref import (
    RNN,
    F,
    Gaussian,
    K_noise,
    appendix,
    bound,
    data,
    enumeration,
    examples,
    f,
    forecast,
    inference,
    kalman,
    laws,
    log_likelihood,
    particles,
    quadrature,
    sample,
    table,
)  # fmt: skip
from rnnvae_ref.laws import TWO_POINT, Discrete, Normal
from rnnvae_ref.likelihood import expected_log_likelihood
from rnnvae_ref.numerics import check_number
from rnnvae_ref.paper import Case
from rnnvae_ref.rnn import one_particle
from tests.models import random_model
from tests.odd_inputs import MODULES, ROOMS, doors, fitting, parameters, scene

rng = np.random.default_rng
MODEL = random_model("gaussian", T=3, N=2, D=1)  # of one particle
LINEAR = random_model("gaussian", "linear", T=3, N=2, D=1)
PAIR = random_model("gaussian", T=3, N=2, D=1, L=2)
SYMBOLS = random_model(T=3, N=2, D=1)
EPS, LOG_W = enumeration.paths(TWO_POINT, 3, 1)
H = F(*MODEL, EPS, 0.5)
WIDE = *random_model("gaussian", T=3, N=2), np.zeros((3, 1, 1, 2, 2))
LONG_PAIR = random_model("gaussian", T=12, N=1, D=1, L=2)
FAR = (
    LINEAR[0],
    LINEAR[1] | {"C": np.ones((1, 2))},
    LINEAR[2] + 100.0 * (np.arange(3) == 2)[:, None, None],
)
NORMAL = Normal()
DRAWN = rng(0).standard_normal((2, 4, 2, 2, 1))
UNIFORMS = rng(1).random((2, 4, 2, 2))


def with_theta(model, **changes):
    rnn, theta, X = model
    return rnn, theta | changes, X


def masked(a):
    return onp.ma.array(a, mask=np.zeros(a.shape))


FIRST = [
    (module, name, get)
    for module in MODULES[4:-1]  # without numerics, kernels, laws, emissions and paper
    for name, get in doors(module)
    if name not in ROOMS and "theta" in parameters(get({"rnn": PAIR[0]})) and "." not in name
]


@pytest.mark.parametrize("module, name, get", FIRST, ids=lambda v: v if isinstance(v, str) else "")
def test_wrong_first_arguments_are_named_in_every_function(module, name, get):
    good = fitting(name, module, scene(rng(3), module, name))
    call, wrong = get(good), {"rnn": ["theta", "X", RNN, None], "theta": ["X", "rnn", dict, "W"]}
    for what in {"rnn", "theta"} & set(parameters(call)):
        for other in wrong[what]:
            given = good | {what: good.get(other, other) if isinstance(other, str) else other}
            with pytest.raises(ValueError, match=rf"^{what} "):
                call(*(given[key] for key in parameters(call)))


REFUSED = [
    # settings
    ("logit_rho must be", lambda: particles.sticky_mixture(*PAIR, math.nan)),
    ("logit_rho must be", lambda: particles.sticky_mixture(*PAIR, "0")),
    ("logit_rho must be", lambda: particles.predicted_weights(table(*PAIR), math.nan)),
    ("P1 must be", lambda: kalman.log_p(*LINEAR, 0.5, [[math.nan]])),
    ("P1 must be", lambda: kalman.log_p(*LINEAR, 0.5, "unit")),
    ("P1 must be a covariance", lambda: kalman.log_p(*LINEAR, 0.5, [[-1.0]])),
    (
        "P1 must be a covariance",
        lambda: kalman.K(*random_model("gaussian", "linear"), 0.5, [[1.0, 0.5], [0.0, 1.0]]),
    ),
    (
        "evidence must be",
        lambda: inference.log_posterior(*MODEL, H, 0.5, TWO_POINT, np.array([0.0, math.nan])),
    ),
    ("evidence must be", lambda: inference.log_posterior(*MODEL, H, 0.5, TWO_POINT, "exact")),
    ("mean must be", lambda: Normal("zero")),
    ("mean must be", lambda: Normal(math.nan)),
    ("n must be", lambda: laws.gauss_hermite(2.5)),
    ("n must be", lambda: laws.gauss_hermite(101)),
    ("min_scale must be", lambda: Gaussian(1, "0.1")),
    ("seed must be", lambda: Case(seed=-1)),
    (r"law \(or p, q\) must be", lambda: inference.log_q(*MODEL, H, 0.5, Normal)),
    (r"law \(or p, q\) must be", lambda: bound.factorised(*MODEL, H, 0.5, None)),
    (r"law \(or p, q\) must be", lambda: bound.jensen(*MODEL, H, 0.5, 3, TWO_POINT)),
    (r"law \(or p, q\) must be", lambda: bound.log_importance(*MODEL, H, 0.5, TWO_POINT, "q")),
    (r"law \(or p, q\) must be", lambda: appendix.eq18(*PAIR, 0.5, None, TWO_POINT)),
    (r"law \(or p, q\) must be", lambda: appendix.eq26(*PAIR, 0.5, TWO_POINT, None)),
    *(
        ("s must be a finite number, 1e-150 or larger", lambda s=s: check_number("s", s, 1e-150))
        for s in (True, "1", 0.0, math.nan)
    ),
    ("apart must be", lambda: MODEL[0].init(rng(0), apart="no")),
    (
        "share must be a finite number, 0 or larger, 1 or smaller; got -1",
        lambda: beyond.resampled_bound(*PAIR, DRAWN, 0.5, UNIFORMS, -1),
    ),
    ("uniforms must lie", lambda: beyond.resampled_bound(*PAIR, DRAWN, 0.5, 7 + UNIFORMS)),
    ("uniforms must lie", lambda: beyond.multinomial(np.ones((2, 4, 2, 2)))),
    ("uniforms must be", lambda: beyond.resampled_bound(*PAIR, DRAWN, 0.5, UNIFORMS + math.nan)),
    ("uniforms must be", lambda: beyond.multinomial("any")),
    ("choose must be", lambda: beyond.resampled(*PAIR, DRAWN, 0.5, "any")),
    ("points must be a whole number, 21 to", lambda: quadrature.log_p(*MODEL, 0.1, points=5)),
    ("points must be", lambda: quadrature.K(*MODEL, 0.5, points=10**9)),
    ("T must be", lambda: kalman.penalty(*LINEAR[:2], -3, 0.5)),
    ("T must be", lambda: kalman.penalty(*LINEAR[:2], 10**9, 0.5)),
    ("rnn must be linear", lambda: kalman.penalty(*MODEL[:2], 3, 0.5)),
    ("sigma must be", lambda: kalman.penalty(*LINEAR[:2], 3, math.nan)),
    ("x must be", lambda: examples.two_steps("2")),
    ("rng must be", lambda: Normal().sample(0, (2,))),
    ("quadrature needs", lambda: quadrature.log_p(*PAIR, 0.5)),
    ("sigma must be float64", lambda: kalman.log_p(*LINEAR, np.array([100], np.int8))),
    ("sigma must not be 0", lambda: inference.log_q(*WIDE, np.array([0.5, 0.0]), TWO_POINT)),
    (
        r"law \(or p, q\) must be a noise law, Disc",
        lambda: appendix.eq19(*PAIR, 0.5, NORMAL, NORMAL),
    ),
    (
        r"law \(or p, q\) must be a noise law, Disc",
        lambda: appendix.log_ratios_and_weights(*PAIR, 0.5, NORMAL, TWO_POINT),
    ),
    (
        "p and q must be of one kind",
        lambda: bound.log_importance(*MODEL, H, 0.5, TWO_POINT, NORMAL),
    ),
    (
        r"P\^L, the number of joint paths",
        lambda: appendix.eq21(*LONG_PAIR, 0.5, TWO_POINT, TWO_POINT),
    ),
    (
        "sigma must be None after a prefix",
        lambda: sample(*MODEL[:2], rng(0), 3, prefix=MODEL[2], sigma=0.5),
    ),
    ("law must be a noise law", lambda: sample(*MODEL[:2], rng(0), 3, 2, sigma=0.5, law="coin")),
    ("D must be", lambda: enumeration.paths(TWO_POINT, 3, 0)),
    ("push h to the end of the grid", lambda: quadrature.kl_q_posterior(*FAR, 0.1, points=400)),
    ("all of one kind and M; got a MaskedArray", lambda: data.pad([masked(np.arange(3))])),
    ("values must be", lambda: data.nile().encode(masked(np.arange(3.0)))),
    (r"in 'ab\\n' is not in the alphabet 'ab'", lambda: data.Text("ab").encode(["ab"])),
    # tables, weights, trajectories
    (
        "q must have all nodes of p",
        lambda: appendix.eq19(*PAIR, 0.5, TWO_POINT, Discrete((-1.0, 2.0), (0.5, 0.5))),
    ),
    ("sigma must not be 0", lambda: kalman.kl_q_posterior(*LINEAR, 1e-200)),
    ("sigma must be larger", lambda: inference.log_q(*MODEL, H, 1e-14, Normal())),
    ("sigma must be float64", lambda: K_noise(*MODEL, EPS, True)),
    ("nodes, all different", lambda: Discrete(((1.0, 2.0), (3.0, 4.0)), (0.5, 0.5))),
    ("H must be", lambda: beyond.spread(np.zeros((3, 2, 2, 1, 1)))),
    ("theta must hold the gate's v", lambda: beyond.gated_mixture_steps(*PAIR)),
    ("series must be", lambda: forecast(*LINEAR[:2], LINEAR[0].emission, 1, 1, rng(0))),
    (
        "divergence for this theta",
        lambda: kalman.kl_q_posterior(*with_theta(LINEAR, c=np.full(2, 1e150)), 0.5),
    ),
    (
        r"log_w \(S, N\) weighs eps",
        lambda: expected_log_likelihood(*MODEL, EPS, 0.5, enumeration.paths(TWO_POINT, 3, 1)[1]),
    ),
    (r"log_w \(S, N\) weighs eps", lambda: expected_log_likelihood(*MODEL, EPS, 0.5)),
    (
        "log_w must be logs of weights that sum to 1; they sum to 1.001",
        lambda: bound.K(*MODEL, H, LOG_W + 0.001),
    ),
    ("evidence must be", lambda: inference.log_posterior(*MODEL, H, 0.5, TWO_POINT, np.zeros(1))),
    ("ell must be", lambda: one_particle(table(*MODEL) + math.nan)),
    ("ell must be", lambda: particles.predicted_weights("table")),
    ("ell must be", lambda: particles.predicted_weights(table(*PAIR)[0])),
    ("ell must be", lambda: particles.predicted_weights(table(*PAIR)[:0])),
    ("ell must be", lambda: particles.predicted_weights(table(*PAIR) + math.nan)),
    ("H must be", lambda: inference.log_q(*MODEL, H.tolist(), 0.5, TWO_POINT)),
    ("H must be", lambda: inference.log_q(*MODEL, H + math.nan, 0.5, TWO_POINT)),
    ("H must come from q", lambda: bound.factorised(*MODEL, H, 0.9, TWO_POINT)),
    ("log_w must be", lambda: bound.K(*MODEL, H, LOG_W.astype(complex))),
    ("x must be", lambda: f(*MODEL[:2], np.zeros((2, 1)), np.zeros((2, 3)))),
    ("h must be", lambda: f(*MODEL[:2], "h1", MODEL[2][0])),
    ("x must be", lambda: f(*SYMBOLS[:2], np.zeros((2, 1)), np.array([-1, 0]))),
    # theta and sigma where H is given
    (r"theta\['C'\] must be", lambda: bound.K(*with_theta(MODEL, C=MODEL[1]["C"] * math.nan), H)),
    (r"theta\['c'\] must be", lambda: bound.K(*with_theta(MODEL, c=np.zeros((3, 3))), H)),
    ("sigma must be", lambda: inference.log_q(*MODEL, H, math.nan, Normal())),
    ("sigma must be", lambda: inference.log_joint(*MODEL, H, math.inf, Normal())),
    ("sigma must be", lambda: bound.jensen(*MODEL, H, math.nan, TWO_POINT, TWO_POINT)),
    # masked arrays
    ("X must be", lambda: log_likelihood(*SYMBOLS[:2], masked(SYMBOLS[2]))),
    ("X must be", lambda: log_likelihood(*MODEL[:2], onp.ma.array(MODEL[2], mask=MODEL[2] > 0))),
    (r"theta\['W'\] must be", lambda: log_likelihood(*with_theta(MODEL, W=masked(MODEL[1]["W"])))),
    ("eps must be", lambda: K_noise(*MODEL, masked(EPS), 0.5)),
    ("grid must be", lambda: Gaussian(2).density(MODEL[1], H, masked(np.zeros((1, 2))))),
    # what leaves float64
    (
        r"theta\['log_s'\] must lie",
        lambda: log_likelihood(*with_theta(MODEL, log_s=np.array([-700.0, 0.0]))),
    ),
    (
        r"theta\['log_s'\] must lie",
        lambda: log_likelihood(*with_theta(MODEL, log_s=np.array([710.0, 0.0]))),
    ),
    ("X must be", lambda: particles.sticky_mixture(*PAIR[:2], 1e200 * PAIR[2], 0.3)),
    ("X must be", lambda: beyond.resampled_bound(*PAIR[:2], 1e200 * PAIR[2], DRAWN, 0.5, UNIFORMS)),
    (
        "of this X and theta must be",
        lambda: log_likelihood(*with_theta(LINEAR, W=np.array([[1e120]]))),
    ),
    (
        r"theta\['W'\] lets grow",
        lambda: kalman.log_p(*with_theta(LINEAR, W=np.array([[1e76]]), C=np.zeros((1, 2))), 0.5),
    ),
    (
        "of this theta and T must be",
        lambda: kalman.penalty(*with_theta(LINEAR, W=np.array([[1e76]]))[:2], 3, 0.5),
    ),
    (r"log p\(x \| h\) of this x", lambda: bound.K(*with_theta(MODEL, C=np.full((1, 2), 1e80)), H)),
    (
        "divergence for this theta and X",
        lambda: kalman.kl_q_posterior(*with_theta(LINEAR, W=np.array([[1e76]])), 0.5),
    ),
]


@pytest.mark.parametrize(
    "message, call", REFUSED, ids=[f"{i}-{message}" for i, (message, _) in enumerate(REFUSED)]
)
def test_one_sentence_names_the_argument(message, call):
    with pytest.raises(ValueError, match=message):
        call()


def test_quadrature_refuses_a_huge_sigma_before_it_has_worked_long(monkeypatch):
    monkeypatch.setattr(quadrature, "MOST_WORK", 1e5)
    with pytest.raises(
        ValueError, match=r"needs a larger grid .* or 1e\+05 entries: .* try fewer sequences"
    ):
        quadrature.log_p(*MODEL, 1e6)


def test_the_limits_themselves_are_legal():
    assert len(laws.gauss_hermite(100).nodes) == 100
    assert Discrete((0.5,), (1.0,)).log_p_h(np.full((2, 1), 0.5), 1.0).tolist() == [0.0, 0.0]
    near = Discrete((0.0, 1e-5), (0.5, 0.5))  # and two nodes 1e-6 apart cannot be told apart
    assert_allclose(near.log_p_h(np.array([[1e-5]]), 1.0), np.log(0.5))
    with pytest.raises(ValueError, match="the gap between the nodes"):
        Discrete((0.0, 3e-6), (0.5, 0.5)).log_p_h(np.array([[0.0]]), 1.0)
    assert enumeration.paths(Discrete((0.5,), (1.0,)), 40, 2)[0].shape == (39, 1, 1, 1, 2)


# right, and silent or refused before


def test_a_discrete_law_is_told_apart_from_sigma_1e_13_on():
    model = examples.counterexample()
    for sigma in (1e-13, 1e-10, 1e-5):
        assert_allclose(
            bound.log_marginal(*model, sigma, TWO_POINT),
            bound.log_evidence(*model, sigma, TWO_POINT),
            rtol=1e-12,
        )
    with pytest.raises(ValueError, match=r"sigma, or the gap between the nodes, must be larger"):
        bound.log_marginal(*model, 1e-16, TWO_POINT)


def test_a_discrete_law_finds_its_nodes_where_h_is_near_a_million():
    rnn, theta, X = with_theta(
        LINEAR, h1=np.array([[1e6]]), W=np.array([[1.0]]), C=np.full((1, 2), 1e-6)
    )
    for sigma in (0.5, 1e-6):
        exact = enumeration.log_p(rnn, theta, X, sigma, TWO_POINT)
        assert_allclose(bound.log_marginal(rnn, theta, X, sigma, TWO_POINT), exact, rtol=1e-9)


def test_eq26_stays_in_range_where_its_ratios_leave_it():
    for change in (60.0, -60.0):
        rnn, theta, X = PAIR[0], PAIR[1], PAIR[2] + change
        args = rnn, theta, X, 0.5, TWO_POINT, Discrete((-1.0, 1.0), (0.3, 0.7))
        assert appendix.eq24(*args).max() < -750
        assert_allclose(appendix.eq26(*args), appendix.eq24(*args), rtol=1e-12)


@pytest.mark.parametrize("oracle", [quadrature.log_p, quadrature.K, kalman.kl_q_posterior])
def test_data_of_float32_are_data(oracle):
    rnn, theta, X = LINEAR
    short = onp.float32(X)
    assert_array_equal(oracle(rnn, theta, short, 0.5), oracle(rnn, theta, short.astype(float), 0.5))


def test_P1_may_be_a_list_of_whole_numbers():
    assert_array_equal(kalman.log_p(*LINEAR, 0.5, [[1]]), kalman.log_p(*LINEAR, 0.5, np.eye(1)))


def test_the_gradient_is_finite_as_far_as_log_s_may_go():
    with pytest.raises(ValueError, match=r"theta\['log_s'\] must lie within \+-150"):
        log_likelihood(*with_theta(MODEL, log_s=np.full(2, -240.0)))
    for log_s in (-150.0, 150.0):
        rnn, theta, X = with_theta(MODEL, log_s=np.full(2, log_s))
        g = grad(lambda th: np.sum(log_likelihood(rnn, th, X)))(theta)
        assert all(np.isfinite(value).all() for value in g.values())
