import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(
        _name, "1"
    )  # before numpy starts: at these sizes a second thread only gets in the way

import numpy as np  # noqa: E402, I001
import pytest  # noqa: E402

from tests.models import EMISSIONS, TRANSITIONS, random_model  # noqa: E402


collect_ignore = ["benchmarks"]  # `make bench`: its opponents are not installed for the tests


@pytest.fixture(scope="session", autouse=True)
def _small_runs_ahead(request):
    """The figures' small runs begin at once where most of their tests were asked for."""
    if sum("figures.py::" in item.nodeid for item in request.session.items) < 100:
        yield
        return
    from tests import small_runs

    with small_runs.begun():
        yield


@pytest.fixture(autouse=True)
def _seed_for_check_grads():
    np.random.seed(0)  # noqa: NPY002  autograd's check_grads draws from the global generator


@pytest.fixture(
    params=[(e, t) for e in EMISSIONS for t in TRANSITIONS], ids=lambda p: f"{p[0]}-{p[1]}"
)
def model(request):
    """A small random RNN with its theta and data: (rnn, theta, X), T = 4, N = 3, D = 2."""
    return random_model(*request.param)
