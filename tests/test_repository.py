"""The shape of the repository: what imports what, what starts up, and how the text is written."""

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from autograd.core import make_vjp

import rnnvae_ref
from rnnvae_ref import log_likelihood
from tests.models import EMISSIONS, random_model

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "rnnvae_ref"
ORDER = [
    *("numerics", "kernels", "laws", "emissions", "rnn", "likelihood", "inference"),
    *("enumeration", "quadrature", "kalman", "bound", "noise", "appendix", "particles"),
    *("sampling", "examples", "data", "training", "files", "paper", "__main__"),
]
MORE = {
    "rnnvae_ref": set(),
    "figures": {"figures"},
    "tests": {"derivations", "figures", "tests", "pytest", "fontTools"},
    "derivations": {"derivations", "markdown_it", "math_core", "pygments", "fontTools"},
    "tests/benchmarks": {"figures", "tests", "torch", "jax"},
}
FILES = sorted(
    p
    for folder in ("rnnvae_ref", "tests", "figures", "derivations")
    for p in (ROOT / folder).rglob("*.py")
)


@cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path):
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_a_module_imports_only_from_those_above_it():
    assert {p.stem for p in PACKAGE.glob("*.py")} == {*ORDER, "__init__"}
    for i, name in enumerate(ORDER):
        inside = {
            m.split(".")[1] for m in imports(PACKAGE / f"{name}.py") if m.startswith("rnnvae_ref.")
        } - {"__version__"}
        assert inside <= {*ORDER[:i]}, name


def test_ground_truth_examples_and_training_import_no_objective():
    for name in ("enumeration", "quadrature", "kalman", "examples", "training"):
        for objective in ("likelihood", "bound", "noise", "appendix", "particles"):
            assert f"rnnvae_ref.{objective}" not in set(imports(PACKAGE / f"{name}.py"))


def test_nothing_imports_figures_or_tests_and_only_the_named_packages_are_used():
    allowed = {"numpy", "autograd", "scipy", "matplotlib", "rnnvae_ref", *sys.stdlib_module_names}
    for path in FILES:
        used = {m.split(".")[0] for m in imports(path) if m}
        folder = path.relative_to(ROOT).parts[0] + "/benchmarks" * ("benchmarks" in path.parts)
        assert used <= allowed | MORE[folder], path


def test_oracles_share_no_code_with_the_package():
    assert set(imports(ROOT / "tests/oracles.py")) == {"itertools", "math"}


@pytest.mark.parametrize("path", [p for p in FILES if "tests" not in p.parts], ids=lambda p: p.stem)
def test_docstrings_are_raw_and_functions_short(path):
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(
            node
        ):
            first = source.splitlines()[node.body[0].lineno - 1].strip()
            assert first.startswith('r"""'), first
        if isinstance(node, ast.FunctionDef):
            doc = (
                node.body[0].end_lineno - node.body[0].lineno + 1 if ast.get_docstring(node) else 0
            )
            assert node.end_lineno - node.lineno + 1 - doc <= 30, node.name


def test_the_package_has_at_most_three_thousand_lines_and_most_are_short():
    lines = [path.read_text(encoding="utf-8").splitlines() for path in PACKAGE.glob("*.py")]
    assert sum(map(len, lines)) <= 3000
    minutes = "rnn", "likelihood", "inference", "enumeration", "bound", "particles"
    path = [(PACKAGE / f"{name}.py").read_text(encoding="utf-8") for name in minutes]
    assert sum(text.count("\n") for text in path) <= 750
    widths = []
    for path in PACKAGE.glob("*.py"):
        source, prose = path.read_text(encoding="utf-8").splitlines(), set()
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                if ast.get_docstring(node):
                    prose |= {*range(node.body[0].lineno, node.body[0].end_lineno + 1)}
        code = [line for n, line in enumerate(source, 1) if line.strip() and n not in prose]
        widths += [len(line) for line in code if not line.lstrip().startswith("#")]
    assert max(widths) <= 100 and np.percentile(widths, 90) <= 82


def test_public_functions_have_docstrings():
    for path in PACKAGE.glob("*.py"):
        for node in parsed(path).body:
            if (
                isinstance(node, ast.FunctionDef | ast.ClassDef)
                and not node.name.startswith("_")
                and node.name != "main"
            ):
                assert ast.get_docstring(node), f"{path.stem}.{node.name}"


def loaded_by(code):
    run = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    return set(run.stdout.split())


def test_importing_the_package_loads_neither_scipy_nor_matplotlib():
    """Start-up is counted, not timed."""
    loaded = loaded_by("import rnnvae_ref")
    heavy = {m for m in loaded if m.split(".")[0] in ("scipy", "matplotlib")}
    assert not heavy and not {m for m in loaded if m.startswith("autograd.scipy")}


def test_everything_that_the_package_names_can_be_had():
    for name in rnnvae_ref.__all__:
        assert getattr(rnnvae_ref, name) is not None


@pytest.mark.parametrize("emission", EMISSIONS)
def test_a_gradient_has_few_autograd_nodes_however_long_the_sequence(emission):
    def nodes(T):
        rnn, theta, X = random_model(emission, T=T)
        vjp, _ = make_vjp(lambda th: log_likelihood(rnn, th, X), theta)
        seen, stack = (
            set(),
            [c.cell_contents for c in vjp.__closure__ if hasattr(c.cell_contents, "parents")],
        )
        while stack:
            node = stack.pop()
            if id(node) not in seen:
                seen.add(id(node))
                stack += node.parents
        return len(seen)

    assert nodes(5) == nodes(50) <= 8


def test_pins_lie_within_the_ranges_of_the_package():
    pinned = dict(
        line.split("==")
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if "==" in line
    )
    loose = re.findall(r'"(\w+)>=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    for name, least in loose:
        if name in pinned:
            assert [int(v) for v in pinned[name].split(".")] >= [int(v) for v in least.split(".")]
    assert set(pinned) == {"numpy", "autograd", "scipy", "matplotlib", "pytest"}


PAGES = {
    "README.md": 3,
    "figures/README.md": 40,
    "tests/benchmarks/README.md": 8,
    "derivations/teaching.md": 8,
}


@pytest.mark.parametrize("page", PAGES)
def test_pages_quote_published_numbers(page):
    """Every number marked `name: value` stands in a committed JSON, rounded as it is shown."""
    text = (ROOT / page).read_text(encoding="utf-8").replace(r"\|", "|")
    quoted = re.findall(r"<!-- (fig\d\d\w*|bench): (.+?) -->\s*(-?\d+(?:\.\d+)?)", text)
    assert len(quoted) >= PAGES[page] and len(quoted) == text.count("<!--")
    for figure, key, shown in quoted:
        path = ROOT / "figures" / "published" / f"{figure}.json"
        record = json.loads(path.read_text(encoding="utf-8"))
        digits = len(shown.split(".")[1]) if "." in shown else 0
        assert round(record["headline"][key]["value"], digits) == float(shown), key


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_of_pages_lead_somewhere(page):
    text, folder = (ROOT / page).read_text(encoding="utf-8"), (ROOT / page).parent
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text) + re.findall(r'src="([^"]+)"', text)
    for target in targets:
        assert target.startswith("https://arxiv.org/") or (folder / target).exists(), target


def test_readme_is_one_page():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 120 and len(readme.split()) <= 1300
