r"""The paper as data: for each numbered equation, what it says, where it stands in the code, and which test and figure show it.

The one home of this map: `python -m rnnvae_ref`, README's table and the tests of coverage all come from here.
"""

import importlib
import inspect
from dataclasses import dataclass


@dataclass(frozen=True)
class Equation:
    r"""One row: function is "module.name" in `rnnvae_ref`, test is "file::name" in `tests`, figure a name in `figures`."""

    number: int
    section: str
    says: str
    function: str
    test: str
    figure: str = ""

    @property
    def derivation(self):
        r"""Its heading in `derivations`, as a link."""
        file = next(name for first, name in reversed(DERIVATIONS) if self.number >= first)
        return f"derivations/{file}.md#eq-{self.number}"

    def source(self, suffix=""):
        r"""The text of the function, or of the one whose name is longer by `suffix`; "" where there is none."""
        module, name = self.function.split(".")
        found = getattr(importlib.import_module(f"rnnvae_ref.{module}"), name + suffix, None)
        return inspect.getsource(found) if found else ""

    def sources(self):
        r"""The function, and its form by steps where it has one."""
        return [text for text in (self.source(), self.source("_steps")) if text]

    def place(self):
        r"""The function's file and line."""
        module, name = self.function.split(".")
        _, line = inspect.getsourcelines(getattr(importlib.import_module(f"rnnvae_ref.{module}"), name))
        return f"{self.function}, rnnvae_ref/{module}.py:{line}"


# The first equation of each file.
DERIVATIONS = ((1, "1_rnn"), (6, "2_inference"), (9, "3_bound"), (16, "4_noise"), (17, "5_particles"))


def _row(number, section, says, function, test, figure=""):
    return Equation(number, section, says, function, f"tests/test_{test}", figure)


# E_q(X)[.], the mean over the data, is left out in every row; ratio_l = p(H_l,X) / q(H_l|X).
EQUATIONS = (
    _row(1, "1.1", "h_t = f(h_{t-1}, x_{t-1}): a delta", "rnn.f", "rnn.py::test_eq1_and_eq2_unroll_f_from_h1", "fig01"),
    _row(2, "1.1", "H = F(X)", "rnn.F", "rnn.py::test_eq1_and_eq2_unroll_f_from_h1", "fig01"),
    _row(
        3,
        "1.2",
        "log p(X)",
        "likelihood.log_p_X",
        "likelihood.py::test_eqs_3_4_and_5_are_equal_in_value_and_gradient_without_noise",
        "",
    ),
    _row(
        4,
        "1.2",
        "= E_p(H|X)[ sum_t log p(x_t|h_t) ]",
        "likelihood.expected_log_likelihood",
        "likelihood.py::test_eqs_3_4_and_5_are_equal_in_value_and_gradient_without_noise",
        "",
    ),
    _row(
        5,
        "1.2",
        "= sum_t log p(x_t|h_t) at H = F(X)",
        "likelihood.log_likelihood",
        "bound.py::test_eq15_equals_eq5_in_value_and_gradient",
        "fig02",
    ),
    _row(
        6,
        "2.1",
        "q(h_t|parents) = p(h_t|parents)",
        "inference.log_q_steps",
        "inference.py::test_eq6_is_the_normal_density_around_f",
        "fig01",
    ),
    _row(
        7,
        "2.1",
        "q(H|X) = prod_t q(h_t|parents)",
        "inference.log_q",
        "inference.py::test_eq7_is_the_product_over_steps_two_to_T",
        "",
    ),
    _row(
        8,
        "2.1",
        "= p(H|X), without noise",
        "inference.log_posterior",
        "inference.py::test_eq8_holds_as_sigma_vanishes_and_fails_with_noise",
        "fig01",
    ),
    _row(9, "2.2", "log p(X)", "bound.log_evidence", "bound.py::test_eqs_9_10_and_11_are_equal", ""),
    _row(10, "2.2", "= log of the integral of p(H,X)", "bound.log_marginal", "bound.py::test_eqs_9_10_and_11_are_equal", ""),
    _row(11, "2.2", "= log E_q(H|X)[ p(H,X) / q(H|X) ]", "bound.log_importance", "bound.py::test_eqs_9_10_and_11_are_equal", ""),
    _row(
        12,
        "2.2",
        ">= E_q(H|X)[ log p(H,X) / q(H|X) ]",
        "bound.jensen",
        "bound.py::test_eq12_is_a_lower_bound_for_any_q_and_its_gap_is_a_divergence",
        "",
    ),
    _row(
        13,
        "2.2",
        "= K, products over t, q of Eq. (6)",
        "bound.factorised",
        "bound.py::test_eqs_12_13_and_14_are_equal_for_q_of_eq6_in_value_and_gradient",
        "",
    ),
    _row(
        14,
        "2.2",
        "= E_q(H|X)[ sum_t log p(x_t|h_t) ]",
        "bound.K",
        "bound.py::test_eq14_by_monte_carlo_is_unbiased_within_its_own_error",
        "",
    ),
    _row(
        15,
        "2.2",
        "= sum_t log p(x_t|h_t) at H = F(X)",
        "bound.K_delta",
        "bound.py::test_eq15_equals_eq5_in_value_and_gradient",
        "fig02",
    ),
    _row(
        16,
        "2.3",
        "E_p(eps)[ sum_t log p(x_t|h_t) ]",
        "noise.K_noise",
        "noise.py::test_eq16_equals_eq14_and_loops_over_paths",
        "fig06",
    ),
    _row(
        17,
        "3.1",
        "log p(X) >= the per-step mixture",
        "particles.per_step_mixture",
        "particles.py::test_eq17_is_no_bound_in_either_direction",
        "fig11",
    ),
    _row(
        18,
        "A",
        "p(X) = (1/L) sum_l int p(H_l,X)",
        "appendix.eq18",
        "particles.py::test_eqs_18_to_26_are_equal_over_a_discrete_law",
        "",
    ),
    _row(
        19,
        "A",
        "= with q(H_l|X) / q(H_l|X)",
        "appendix.eq19",
        "particles.py::test_eqs_18_to_26_are_equal_over_a_discrete_law",
        "",
    ),
    _row(
        20,
        "A",
        "= times the integrals of the other q",
        "appendix.eq20",
        "particles.py::test_eqs_18_to_26_are_equal_over_a_discrete_law",
        "",
    ),
    _row(
        21,
        "A",
        "= in one integral over H_1 .. H_L",
        "appendix.eq21",
        "particles.py::test_eqs_18_to_26_are_equal_over_a_discrete_law",
        "",
    ),
    _row(
        22, "A", "q(H|X) = prod_l q(H_l|X)", "appendix.eq22", "particles.py::test_eqs_18_to_26_are_equal_over_a_discrete_law", ""
    ),
    _row(
        23,
        "A",
        "= (1/L) sum_l int q(H|X) ratio_l",
        "appendix.eq23",
        "particles.py::test_eqs_18_to_26_are_equal_over_a_discrete_law",
        "",
    ),
    _row(
        24,
        "A",
        "= int q(H|X) (1/L) sum_l ratio_l",
        "appendix.eq24",
        "particles.py::test_eqs_18_to_26_are_equal_over_a_discrete_law",
        "",
    ),
    _row(25, "A", "log p(X)", "appendix.eq25", "particles.py::test_eqs_18_to_26_are_equal_over_a_discrete_law", ""),
    _row(
        26,
        "A",
        "= log E_q(H|X)[(1/L) sum_l ratio_l]",
        "appendix.eq26",
        "particles.py::test_eqs_18_to_26_are_equal_over_a_discrete_law",
        "",
    ),
    _row(
        27,
        "A",
        "log p(X) >= the per-step mixture",
        "particles.per_step_mixture",
        "particles.py::test_eq17_is_no_bound_in_either_direction",
        "fig11",
    ),
)


def find(number):
    r"""The row of an equation. ValueError where there is none."""
    for row in EQUATIONS:
        if row.number == number:
            return row
    raise ValueError(f"number must be that of an equation, 1 to {EQUATIONS[-1].number}; got {number}")


def markdown():
    r"""The rows as a table for README, with links to derivations, functions and tests."""
    lines = ["| Eq. | says | function | test | figure |", "|---|---|---|---|---|"]
    for e in EQUATIONS:
        file, test = e.test.split("::")
        link = f"[`{e.function}`](rnnvae_ref/{e.function.split('.')[0]}.py)"
        says = e.says.replace("|", "\\|")  # a bare one would end the cell
        lines.append(f"| [({e.number})]({e.derivation}) | `{says}` | {link} | [`{test}`]({file}) | {e.figure} |")
    return "\n".join(lines)
