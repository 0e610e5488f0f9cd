import autograd.numpy as np
import pytest
from autograd import grad
from autograd.test_util import check_grads
from numpy.testing import assert_allclose

from rnnvae_ref.numerics import atomic_write, log_mean_exp, log_sum_exp, weighted_mean


def test_log_mean_exp_is_the_log_of_the_mean_not_the_mean_of_the_logs():
    assert_allclose(log_mean_exp(np.log([[1.0, 3.0]]), axis=1), [np.log(2.0)], rtol=1e-15)


@pytest.mark.parametrize("shift", [-1e5, 0.0, 1e5])
def test_log_sum_exp_neither_overflows_nor_underflows(shift):
    assert_allclose(
        log_sum_exp(np.array([0.0, 0.0]) + shift, axis=0), np.log(2.0) + shift, rtol=1e-15
    )
    assert log_sum_exp(np.array([shift, shift + 2000.0]), axis=0) == shift + 2000.0


def test_log_sum_exp_of_minus_infinities():
    with np.errstate(divide="ignore"):
        assert log_sum_exp(np.array([-np.inf, -np.inf]), axis=0) == -np.inf
    assert log_sum_exp(np.array([-np.inf, 2.0]), axis=0) == 2.0
    assert log_sum_exp(np.array([np.inf, 2.0]), axis=0) == np.inf


def test_gradient_of_log_mean_exp_is_the_softmax():
    a = np.array([0.3, -2.0, 700.0, 701.0])
    expected = np.exp(a - log_sum_exp(a, 0))
    assert_allclose(grad(lambda a: log_mean_exp(a, 0))(a), expected, rtol=1e-12)
    check_grads(lambda a: log_mean_exp(a, 0), modes=["rev"], order=2)(np.array([0.3, -2.0, 1.0]))


def test_weighted_mean_with_weights_of_samples_or_of_each_sequence():
    a = np.arange(6.0).reshape(3, 2)
    w = np.array([0.5, 0.25, 0.25])
    assert_allclose(weighted_mean(a), a.mean(axis=0))
    assert_allclose(weighted_mean(a, np.log(w)), w @ a)
    assert_allclose(
        weighted_mean(a, np.log(np.stack([w, w[::-1]], axis=1))), [w @ a[:, 0], w[::-1] @ a[:, 1]]
    )


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "numbers.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
