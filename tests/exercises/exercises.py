"""The eleven exercises: for each function its inputs, its exact answer, and the known mistakes.

Exact answers come from the package, from autograd or from loops over Python numbers, never from
`solutions`.
"""

from scipy.special import pdtr

from rnnvae_ref import log_likelihood
from tests.exercises import mixtures as mix
from tests.exercises import model, paths
from tests.exercises.kinds import Exercise, Function, exact_log_softmax

EXERCISES = (
    Exercise(
        1,
        "One step, and all of them",
        (Function("trajectory", model.symbols, model.trajectory, model.TRAJECTORY),),
    ),
    Exercise(
        2,
        "The log likelihood",
        (
            Function("log_softmax", model.logits, exact_log_softmax, model.SOFTMAX),
            Function(
                "log_likelihood",
                model.long_and_sharp,
                lambda theta, X: log_likelihood(*model.as_model(theta, X)),
                model.LIKELIHOOD,
            ),
        ),
    ),
    Exercise(
        3,
        "Truncated backpropagation and its bias",
        (Function("truncated_gradient", model.truncations, model.by_autograd, model.TRUNCATED),),
    ),
    Exercise(
        4,
        "A Poisson emission and its oracle",
        (
            Function("poisson_log_p", model.counts, model.exact_poisson, model.POISSON),
            Function(
                "poisson_mass",
                model.masses,
                lambda theta, h, most: pdtr(most, model.rate(theta, h)),
                model.MASS,
            ),
        ),
    ),
    Exercise(
        5,
        "The bound, the evidence and the gap",
        (
            Function("bound", paths.tables, lambda *a: paths.sums(*a)[0], paths.BOUND),
            Function("evidence", paths.tables, lambda *a: paths.sums(*a)[1], paths.EVIDENCE),
            Function(
                "gap",
                paths.tables,
                lambda *a: paths.sums(*a)[2],
                paths.GAP,
                forbidden=paths.DIFFERENCE,
            ),
        ),
    ),
    Exercise(
        6,
        "Another q",
        (
            Function("tilted_bound", paths.tilts, paths.tilted, paths.TILTED),
            Function(
                "best_tilt",
                paths.tilts_to_find,
                mistakes=paths.TILT_MISTAKES,
                judge=paths.judge_tilt,
            ),
        ),
    ),
    Exercise(
        7,
        "Heavy-tailed noise",
        (
            Function(
                "three_point",
                lambda rng: [(2.0,), (3.0,), (1.25,), (rng.uniform(4, 9),)],
                mistakes=paths.THREE_POINT,
                judge=paths.judge_three_point,
            ),
            Function("penalty", paths.linear_models, paths.exact_penalty, paths.PENALTY),
        ),
    ),
    Exercise(
        8,
        "A control variate",
        (Function("control_variate", paths.draws, paths.intercept, paths.CONTROL),),
    ),
    Exercise(
        9,
        "Two readings of several particles",
        (
            Function(
                "trajectory_mixture",
                mix.particle_tables,
                mix.exact_trajectory_mixture,
                mix.TRAJECTORY_MIXTURE,
            ),
            Function(
                "per_step_mixture",
                mix.particle_tables,
                mix.exact_per_step_mixture,
                mix.PER_STEP_MIXTURE,
            ),
        ),
    ),
    Exercise(
        10,
        "A counterexample",
        (Function("counterexample", lambda rng: [()], judge=mix.judge_counterexample),),
    ),
    Exercise(
        11,
        "Resampling now and then",
        (Function("evidence_in_stretches", mix.stretches, mix.exact_stretches, mix.STRETCHES),),
    ),
)
