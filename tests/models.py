"""Small random models, the same every time."""

import autograd.numpy as np
from autograd import grad, hessian, value_and_grad
from numpy.testing import assert_allclose

from rnnvae_ref import RNN, Categorical, F, Gaussian, bound

EMISSIONS, TRANSITIONS = ("categorical", "gaussian"), ("tanh", "linear")


def random_model(emission="categorical", transition="tanh", T=4, N=3, D=2, L=1, V=3, M=2, seed=0):
    rng = np.random.default_rng(seed)
    kind = Categorical(V) if emission == "categorical" else Gaussian(M)
    rnn = RNN(kind, D, L, transition)
    theta = rnn.init(rng)
    theta = {
        key: value + 0.3 * rng.standard_normal(value.shape) for key, value in theta.items()
    }  # no zeros
    X = rng.integers(0, V, (T, N)) if emission == "categorical" else rng.standard_normal((T, N, M))
    return rnn, theta, X


def value_and_gradient(objective, theta):
    """sum_n objective(theta)_n and its gradient, as one list of arrays."""
    value, g = value_and_grad(lambda th: np.sum(objective(th)))(theta)
    return [value, *(g[key] for key in sorted(g))]


def assert_same(a, b, rtol=1e-10, atol=1e-12):
    for one, other in zip(a, b, strict=True):
        assert_allclose(one, other, rtol=rtol, atol=atol)


def small_noise(rnn, theta, X):
    """Laplacian and squared gradient of Lambda(e) at e = 0, two arrays (N,), of proposition B6.

    Lambda(e) = sum_t log p(x_t | h_t) with e added to h_2 .. h_T.
    """
    zero, results = np.zeros((len(X) - 1, 1, 1, 1, rnn.hidden)), []
    for n in range(X.shape[1]):
        x = X[:, n : n + 1]
        Lambda = lambda e, x=x: bound.K(rnn, theta, x, F(rnn, theta, x, e, 1.0))[0]
        laplacian = np.trace(np.reshape(hessian(Lambda)(zero), (zero.size, zero.size)))
        results.append([laplacian, np.sum(grad(Lambda)(zero) ** 2)])
    return np.array(results).T
