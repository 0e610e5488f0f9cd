"""The kernels against the plain loop that they replace."""

import sys
import tracemalloc

import autograd.numpy as np
import pytest
from autograd import grad
from autograd.test_util import check_grads
from numpy.testing import assert_allclose, assert_array_equal

from rnnvae_ref import F, kernels, log_likelihood, table
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
        ours, plain = (grad(lambda e, g=g: np.sum(g(rnn, theta, X, e, 0.4) ** 2))(eps) for g in (table, plain_table))
        assert_allclose(ours, plain, rtol=1e-10, atol=1e-12)


def test_check_grads_of_each_kernel():
    rng = np.random.default_rng(3)
    X = rng.integers(0, 4, (5, 2))
    h1, W, drive, noise = (rng.standard_normal(s) for s in [(1, 3), (3, 3), (4, 2, 3), (4, 2, 2, 1, 3)])
    C, c, U, b = (rng.standard_normal(s) for s in [(3, 4), (4,), (4, 3), (3,)])
    for linear in (False, True):
        run = lambda h1, W, drive, noise, linear=linear: kernels.rollout(h1, W, drive, noise, linear)
        check_grads(run, argnum=[0, 1, 2, 3], modes=["rev"], order=1)(h1, W, drive, noise)
    check_grads(lambda U, b: kernels.embed(U, b, X), argnum=[0, 1], modes=["rev"], order=1)(U, b)
    H = kernels.rollout(h1, W, drive, noise, False)
    check_grads(lambda H, C, c: kernels.log_categorical(H, C, c, X), argnum=[0, 1, 2], modes=["rev"], order=1)(H, C, c)
    Y, C, c, s = rng.standard_normal((5, 2, 3)), rng.standard_normal((3, 3)), rng.standard_normal(3), np.array([0.5, 1.0, 2.0])
    check_grads(lambda U, b: kernels.affine(U, b, Y), argnum=[0, 1], modes=["rev"], order=1)(U[:3], b)
    check_grads(lambda *p: kernels.log_gaussian(*p, Y), argnum=[0, 1, 2, 3], modes=["rev"], order=1)(H, C, c, s)


def test_blocks_do_not_change_the_result(monkeypatch):
    rnn, theta, X = random_model(T=7)
    whole = value_and_gradient(lambda th: table(rnn, th, X), theta)
    monkeypatch.setattr(kernels, "BLOCK", 1)
    assert_same(whole, value_and_gradient(lambda th: table(rnn, th, X), theta))


def test_log_categorical_is_stable_where_probabilities_underflow():
    H, X = np.array([[[[1.0]]]]), np.array([[0]])
    C, c = np.array([[-4000.0, 4000.0]]), np.zeros(2)
    assert kernels.log_categorical(H, C, c, X) == -8000.0
    assert_array_equal(grad(lambda c: np.sum(kernels.log_categorical(H, C, c, X)))(c), [1.0, -1.0])


def test_a_vjp_neither_writes_into_its_input_nor_keeps_state():
    rnn, theta, X = random_model()
    before = {key: value.copy() for key, value in theta.items()}
    first, second = (value_and_gradient(lambda th: table(rnn, th, X) ** 2, theta) for _ in range(2))
    assert_same(first, second, rtol=0, atol=0)
    for key in theta:
        assert_array_equal(theta[key], before[key])


def test_no_table_over_symbols_is_kept():
    rnn, theta, X = random_model(T=200, N=20, V=500, D=2)
    tracemalloc.start()
    grad(lambda th: np.sum(log_likelihood(rnn, th, X)))(theta)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.25 * 8 * 200 * 20 * 500  # a quarter of what (T, L, N, V) floats would take


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
