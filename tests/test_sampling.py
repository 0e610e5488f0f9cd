"""Prefixes, temperature, forecasts; the laws of new draws are in test_rnn and test_particles."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from rnnvae_ref import RNN, Categorical, Gaussian, data, forecast, predict, sample
from rnnvae_ref.sampling import _after, _unroll_further
from tests.models import EMISSIONS, random_model


@pytest.mark.parametrize("emission", EMISSIONS)
@pytest.mark.parametrize(("L", "logit_rho"), [(1, np.inf), (3, np.inf), (3, -np.inf), (3, 0.5)])
def test_each_prefix_goes_on_from_its_own_end(emission, L, logit_rho):
    rnn, theta, X = random_model(emission, T=6, N=4, L=L)
    lengths = (3, 6, 1, 4)
    alone = [X[:length, n : n + 1] for n, length in enumerate(lengths)]
    h, w = _after(rnn, theta, data.pad([x[:, 0] for x in alone]), logit_rho)
    assert h.shape == (L, 4, 2) and w.shape == (L, 4)
    assert_allclose(w.sum(axis=0), 1.0)
    for n, x in enumerate(alone):
        of_one = _after(rnn, theta, x, logit_rho)
        assert_allclose(h[:, n], of_one[0][:, 0], rtol=1e-12)
        assert_allclose(w[:, n], of_one[1][:, 0], rtol=1e-12)
        assert_allclose(h[:, n], _unroll_further(rnn, theta, x)[0][-1, :, 0], rtol=1e-12)


def test_continued_prefixes_of_unequal_length_have_the_predicted_probabilities():
    rnn, theta, _ = random_model(L=2)
    prefixes, n = [[2, 0, 1], [1]], 20_000
    prefix = np.repeat(data.pad(prefixes), n, axis=1)
    drawn = sample(rnn, theta, np.random.default_rng(5), 1, prefix=prefix)[0].reshape(2, n)
    for row, one in zip(drawn, prefixes, strict=True):
        p = predict(rnn, theta, np.array(one)[:, None])[-1, 0]
        assert (np.abs(np.bincount(row, minlength=3) - n * p) < 5 * np.sqrt(n * p * (1 - p))).all()


@pytest.mark.parametrize("temperature", [0.3, 1.0, 3])
def test_temperature_raises_probabilities_to_a_power(temperature):
    rnn, theta, _ = random_model()
    n, rng = 20_000, np.random.default_rng(0)
    p = predict(rnn, theta, np.zeros((1, 1), int))[0, 0] ** (1 / temperature)
    p = p / p.sum()
    drawn = sample(rnn, theta, rng, 1, n, temperature=temperature)[0]
    assert (np.abs(np.bincount(drawn, minlength=3) - n * p) < 5 * np.sqrt(n * p * (1 - p))).all()


def test_temperature_moves_draws_alone_and_is_for_symbols():
    rnn, theta, _ = random_model(L=2)
    draw = lambda **options: sample(rnn, theta, np.random.default_rng(1), 9, 5, **options)
    assert_array_equal(draw(), draw(temperature=1))
    cold = draw(temperature=1e-9)  # the most probable symbol of the particle that is drawn
    best = {np.argmax(h @ theta["C"] + theta["c"]) for h in theta["h1"]}
    assert {*cold[0]} <= best
    for wrong in (0, 1e-200, -1.0, np.nan, "1", None):
        with pytest.raises(ValueError, match="temperature must be a number, not nan, 1e-100 or"):
            draw(temperature=wrong)
    rnn, theta, _ = random_model("gaussian")
    with pytest.raises(ValueError, match="temperature is for symbols, and must be 1 here; got 2"):
        sample(rnn, theta, np.random.default_rng(1), 9, 5, temperature=2)


def below(rnn, theta, s, end, logit_rho, value):
    """P(x <= value), in the units of the file, one step after s.X[:end]: a mixture of normals."""
    h, w = _after(rnn, theta, s.X[:end], logit_rho)
    z = ((value - s.mean) / s.scale - h[:, 0] @ theta["C"] - theta["c"]) / np.exp(theta["log_s"])
    return sum(w[i, 0] * 0.5 * (1 + math.erf(z[i, 0] / math.sqrt(2))) for i in range(len(w)))


@pytest.mark.parametrize(("L", "logit_rho"), [(1, np.inf), (2, np.inf), (2, -np.inf), (3, 1.0)])
def test_a_forecast_holds_the_quantiles_of_the_model_in_the_units_of_the_file(L, logit_rho):
    s, rnn = data.nile(), RNN(Gaussian(), 2, L)
    theta = rnn.init(np.random.default_rng(0), apart=L > 1)
    draws, levels = 4000, (5, 50, 90)
    for end in (None, 40):
        options = {"levels": levels, "end": end}
        options |= {} if logit_rho == np.inf else {"logit_rho": logit_rho}  # inf by default
        bands = forecast(rnn, theta, s, 3, draws, np.random.default_rng(1), **options)
        assert bands.shape == (3, 3, 1) and (np.diff(bands, axis=0) > 0).all()
        for level, value in zip(levels, bands[:, 0, 0], strict=True):
            p = level / 100
            error = below(rnn, theta, s, end, logit_rho, value) - p
            assert abs(error) < 5 * np.sqrt(p * (1 - p) / draws)


def test_a_forecast_is_of_continuations_of_the_past_with_each_draw_fed_back():
    s, rnn = data.nile(), RNN(Gaussian(), 2)
    theta = rnn.init(np.random.default_rng(0))
    bands = forecast(rnn, theta, s, 4, 50, np.random.default_rng(1), end=70)
    prefix = np.repeat(s.X[:70], 50, axis=1)
    drawn = sample(rnn, theta, np.random.default_rng(1), 4, prefix=prefix)
    expected = np.percentile(drawn * s.scale + s.mean, (5, 25, 50, 75, 95), axis=1)
    assert_allclose(bands, expected, rtol=1e-9)


def test_forecast_says_what_is_wrong():
    s, rnn = data.nile(), RNN(Gaussian(), 2)
    theta, rng = rnn.init(np.random.default_rng(0)), np.random.default_rng(1)
    letters = RNN(Categorical(3), 2)
    for call, message in [
        (
            lambda: forecast(rnn, theta, s.X, 3, 5, rng),
            "series must be a data.Series; got an array",
        ),
        (lambda: forecast(rnn, theta, s, 0, 5, rng), "steps must be a whole number"),
        (lambda: forecast(rnn, theta, s, 3, 0.5, rng), "draws must be a whole number"),
        (lambda: forecast(rnn, theta, s, 3, 5, 0), "rng must be a numpy Generator"),
        (lambda: forecast(rnn, theta, s, 3, 5, rng, end=0), "end must be a whole number, 1 to 100"),
        (lambda: forecast(rnn, theta, s, 3, 5, rng, end=101), "end must be .* got 101"),
        (lambda: forecast(rnn, theta, s, 3, 5, rng, levels=(5, 101)), "levels must be .* got 101"),
        (lambda: forecast(rnn, theta, s, 3, 5, rng, levels="x"), "levels must be .* got 'x'"),
        (lambda: forecast(theta, rnn, s, 3, 5, rng), "rnn must be an RNN"),
        (lambda: predict(theta, rnn, s.X, np.zeros(2)), "rnn must be an RNN"),
        (lambda: sample(theta, rnn, rng, 3, 2), "rnn must be an RNN"),
        (lambda: sample(rnn, theta, rng, 3, 2, logit_rho=np.nan), "logit_rho must be"),
        (lambda: forecast(letters, letters.init(rng), s, 3, 5, rng), "X must be .* integers"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


def test_each_particle_has_noise_of_its_own():
    """Two random walks from one point; z is drawn anew at each step. From step 2 to 3 x moves by
    eps, or where z changes also from one walk to the other: variance sigma^2 + (1/2) 2 sigma^2.
    """
    rnn = RNN(Gaussian(), 1, particles=2, transition="linear")
    zero = rnn.init(np.random.default_rng(0), scale=0.0)
    theta = zero | {"W": np.ones((1, 1)), "C": np.ones((1, 1)), "log_s": np.array([-9.0])}
    options = {"sigma": 0.7, "logit_rho": -np.inf}
    X = sample(rnn, theta, np.random.default_rng(1), 3, 20_000, **options)[..., 0]
    assert_allclose(np.var(X[2] - X[1]), 2 * 0.7**2, rtol=0.05)
