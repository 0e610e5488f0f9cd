"""The kernels against the plain loop that they replace."""

import sys
import tracemalloc

import autograd.numpy as np
import pytest
from autograd import grad, hessian
from autograd.core import make_vjp
from autograd.test_util import check_grads
from numpy.testing import assert_allclose, assert_array_equal

from rnnvae_ref import RNN, F, Gaussian, kernels, log_likelihood, table, unroll
from tests.models import EMISSIONS, TRANSITIONS, assert_same, random_model, value_and_gradient

SHAPES = {
    "one particle": (1, None),
    "T = 1": (1, None),
    "particles": (3, None),
    "full noise": (1, (2, 1, 3, 2)),
    "noise shared by sequences": (1, (4, 1, 1, 2)),
    "noise shared by particles": (3, (2, 1, 3, 2)),
    "noise of many particles on one h1": (1, (2, 5, 3, 2)),
    "noise without samples": (3, (3, 3, 2)),
}


def plain_table(rnn, theta, X, eps=None, sigma=None):
    """ell by the plain loop F and the plain formula of the emission."""
    H = F(rnn, theta, X, eps, sigma)
    return np.array([rnn.emission.log_p(theta, h, x) for h, x in zip(H, X, strict=True)])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("transition", TRANSITIONS)
@pytest.mark.parametrize("emission", EMISSIONS)
def test_kernels_equal_the_plain_loop_in_value_and_gradient(emission, transition, shape):
    L, noise = SHAPES[shape]
    rnn, theta, X = random_model(emission, transition, L=L, T=1 if shape == "T = 1" else 4)
    rng = np.random.default_rng(1)
    eps, weights = None, None
    if noise:
        eps, theta = rng.standard_normal((3, *noise)), theta | {"sigma": np.array([0.3, -0.5])}

    def weighted(tabulate):
        def objective(th):
            nonlocal weights
            ell = tabulate(rnn, th, X, eps, th.get("sigma") if noise else None)
            weights = rng.standard_normal(ell.shape) if weights is None else weights
            return ell * weights

        return value_and_gradient(objective, theta)

    assert_same(weighted(table), weighted(plain_table))


def test_gradient_with_respect_to_the_noise_equals_the_plain_loop():
    rnn, theta, X = random_model(L=3)
    for shape in [(3, 2, 3, 3, 2), (3, 4, 1, 1, 2), (3, 3, 1, 2)]:
        eps = np.random.default_rng(2).standard_normal(shape)
        ours, plain = (
            grad(lambda e, g=g: np.sum(g(rnn, theta, X, e, 0.4) ** 2))(eps)
            for g in (table, plain_table)
        )
        assert_allclose(ours, plain, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("emission", EMISSIONS)
def test_a_vjp_may_be_called_twice_and_with_any_layout(emission):
    rnn, theta, X = random_model(emission, L=2)
    rng, found = np.random.default_rng(4), {}
    for tabulate in (table, plain_table):
        vjp, ell = make_vjp(lambda th, g=tabulate: g(rnn, th, X), theta)
        rng = np.random.default_rng(4)
        found[tabulate] = [vjp(rng.standard_normal(ell.shape)) for _ in range(2)]
    for ours, plain in zip(found[table], found[plain_table], strict=True):
        assert_same([ours[k] for k in theta], [plain[k] for k in theta])
    turned = lambda H: np.swapaxes(H, -1, -2) * np.arange(1.0, 1 + X.shape[1])
    a, b = (
        value_and_gradient(lambda th, g=g: turned(g(th)), theta)
        for g in (lambda th: unroll(rnn, th, X)[0], lambda th: F(rnn, th, X))
    )
    assert_same(a, b)
    H = np.asfortranarray(F(rnn, theta, X))
    ours = grad(lambda H: np.sum(rnn.emission.table(theta, H, X)))(H)
    assert_allclose(
        ours, grad(lambda H: np.sum(rnn.emission.table(theta, H, X)))(H.copy(order="C")), rtol=1e-12
    )


def test_the_floor_of_a_gaussian_reaches_the_kernel():
    rnn, theta, X = random_model("gaussian")
    rnn = RNN(Gaussian(2, min_scale=0.7), 2)
    assert_same(
        *(value_and_gradient(lambda th, g=g: g(rnn, th, X), theta) for g in (table, plain_table))
    )


def test_kernels_say_what_they_do_not_do():
    rnn, theta, X = random_model("gaussian")
    with pytest.raises(NotImplementedError, match="first derivatives only"):
        hessian(lambda W: np.sum(log_likelihood(rnn, theta | {"W": W}, X)))(theta["W"])
    with pytest.raises(
        NotImplementedError, match="log_gaussian has no derivative in data or settings"
    ):
        grad(lambda x: np.sum(kernels.log_gaussian(theta, F(rnn, theta, X)[:, 0], x, 0.0, [])))(X)


@pytest.mark.parametrize("emission", EMISSIONS)
def test_check_grads_of_each_kernel(emission):
    rng = np.random.default_rng(3)
    _, theta, X = random_model(emission)
    noise = rng.standard_normal((3, 2, 2, 1, 2))
    for linear in (False, True):
        run = lambda theta, noise, linear=linear: kernels.rollout(theta, X, noise, linear)
        check_grads(run, argnum=[0, 1], modes=["rev"], order=1)(theta, noise)
    H = kernels.rollout(theta, X, noise, False)
    log_p = {
        "categorical": lambda theta, H: kernels.log_categorical(theta, H, X, []),
        "gaussian": lambda theta, H: kernels.log_gaussian(theta, H, X, 0.1, []),
    }
    check_grads(log_p[emission], argnum=[0, 1], modes=["rev"], order=1)(theta, H)


def test_theta_may_be_a_dict_of_traced_arrays_and_numbers():
    """As where a gradient is taken of some parameters only; the kernels want one dict that is
    traced as a whole.
    """
    rnn, theta, X = random_model()
    eps, total = (
        np.ones((3, 1, 1, 3, 2)),
        lambda tabulate, th: np.sum(tabulate(rnn, th, X, eps, th["sigma"])),
    )
    for_W = [
        grad(lambda W, g=g: total(g, theta | {"W": W, "sigma": 0.3}))(theta["W"])
        for g in (table, plain_table)
    ]
    whole = grad(lambda th: total(table, th))(theta | {"sigma": np.array(0.3)})["W"]
    assert_same(for_W, [whole, whole])


def test_blocks_do_not_change_the_result(monkeypatch):
    rnn, theta, X = random_model(T=7)
    whole = value_and_gradient(lambda th: table(rnn, th, X), theta)
    monkeypatch.setattr(kernels, "BLOCK", 1)
    assert_same(whole, value_and_gradient(lambda th: table(rnn, th, X), theta))


def test_log_categorical_is_stable_where_probabilities_underflow():
    H, X = np.array([[[[1.0]]]]), np.array([[0]])
    theta = {"C": np.array([[-4000.0, 4000.0]]), "c": np.zeros(2)}
    assert kernels.log_categorical(theta, H, X, None) == -8000.0
    gradient = grad(lambda th: np.sum(kernels.log_categorical(th, H, X, [])))(theta)
    assert_array_equal(gradient["c"], [1.0, -1.0])


def test_log_categorical_is_stable_where_rows_lie_far_apart():
    """The largest logit is subtracted row by row."""
    theta, H = {"C": np.array([[1.0, 0.0]]), "c": np.zeros(2)}, np.array([[[[3000.0], [-3000.0]]]])
    assert_array_equal(kernels.log_categorical(theta, H, np.array([[0, 1]]), None), [[[0.0, 0.0]]])
    assert_array_equal(
        kernels.log_categorical(theta, H, np.array([[1, 0]]), None), [[[-3000.0, -3000.0]]]
    )


def test_a_vjp_neither_writes_into_its_input_nor_keeps_state():
    rnn, theta, X = random_model()
    before = {key: value.copy() for key, value in theta.items()}
    first, second = (value_and_gradient(lambda th: table(rnn, th, X) ** 2, theta) for _ in range(2))
    assert_same(first, second, rtol=0, atol=0)
    for key in theta:
        assert_array_equal(theta[key], before[key])


def test_a_table_over_symbols_is_kept_for_a_gradient_only():
    rnn, theta, X = random_model(T=200, N=20, V=500, D=2)
    size = 8 * 200 * 20 * 500
    assert peak_of(lambda: log_likelihood(rnn, theta, X)) < 0.25 * size
    assert peak_of(lambda: grad(lambda th: np.sum(log_likelihood(rnn, th, X)))(theta)) < 1.25 * size


def test_a_gradient_keeps_two_arrays_of_the_size_of_H():
    """H and the gradient with respect to it; all else is done in blocks."""
    rnn, theta, X = random_model("gaussian", T=400, N=50, D=32, M=1)
    assert (
        peak_of(lambda: grad(lambda th: np.sum(log_likelihood(rnn, th, X)))(theta))
        < 2.3 * 8 * 400 * 50 * 32
    )


def peak_of(run):
    """The most memory that a call takes at once, in bytes."""
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def calls(T, **sizes):
    """How many C functions one gradient calls: the work outside of array arithmetic."""
    rnn, theta, X = random_model(T=T, **sizes)
    gradient, count = grad(lambda th: np.sum(log_likelihood(rnn, th, X))), 0

    def tick(_frame, event, _arg):
        nonlocal count
        count += event == "c_call"

    sys.setprofile(tick)
    gradient(theta)
    sys.setprofile(None)
    return count


def test_cost_is_linear_in_time_and_flat_in_sequences():
    assert 3.0 < calls(1600) / calls(400) < 5.0
    assert calls(50, N=40) <= 1.2 * calls(50, N=10)
