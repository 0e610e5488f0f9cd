"""The derivations are complete, render on GitHub, and point at code and tests that exist."""

import importlib
import re
from pathlib import Path

import pytest

from rnnvae_ref.paper import EQUATIONS

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "derivations").glob("*.md"))
SHEETS = sorted((ROOT / "derivations" / "exercises").glob("*.md"))
FORBIDDEN = (
    "$$",
    r"\tag",
    r"\label",
    r"\newcommand",
    r"\operatorname",
    r"\mbox",
    r"\eqref",
    r"\ref{",
)


def text(path):
    return path.read_text(encoding="utf-8")


def sections():
    """heading -> (file, body) of every third-level heading."""
    found = {}
    for path in FILES:
        parts = re.split(r"^### (.+)$", text(path), flags=re.M)
        for heading, body in zip(parts[1::2], parts[2::2], strict=True):
            assert heading not in found, heading
            found[heading] = path, re.split(r"^## ", body, flags=re.M)[0]
    return found


def test_every_equation_and_proposition_has_its_heading():
    headings = set(sections())
    assert {f"Eq. ({n})" for n in range(1, 28)} <= headings
    wanted = {
        f"Proposition {part}{n}"
        for part, last in {"A": 7, "B": 10, "C": 18}.items()
        for n in range(1, last + 1)
    }
    assert wanted <= headings


@pytest.mark.parametrize("e", EQUATIONS, ids=lambda e: f"eq{e.number}")
def test_each_equation_is_numbered_in_its_fence_and_points_at_its_function_and_test(e):
    _, body = sections()[f"Eq. ({e.number})"]
    assert f"\\qquad ({e.number})" in body
    assert f"`rnnvae_ref.{e.name}`" in body and e.test_id in body
    assert not e.figure or e.figure in body


@pytest.mark.parametrize("path", FILES + SHEETS, ids=lambda p: p.stem)
def test_mathematics_renders_on_github(path):
    content = text(path)
    assert content.count("```") % 2 == 0
    for fence in re.findall(r"```math\n(.*?)```", content, flags=re.S):
        assert len(fence) < 1000 and fence.count("{") == fence.count("}"), fence[:80]
        assert len(re.findall(r"\\begin", fence)) == len(re.findall(r"\\end", fence))
        assert fence.count(r"\qquad (") <= 1
    for macro in FORBIDDEN:
        assert macro not in content, macro
    without = re.sub(r"```.*?```", "", content, flags=re.S)
    assert without.count("$`") == without.count("`$") and not re.search(r"(?<!`)\$(?!`)", without)


@pytest.mark.parametrize("path", FILES + SHEETS, ids=lambda p: p.stem)
def test_code_and_tests_that_are_named_exist(path):
    for dotted in re.findall(r"`((?:rnnvae_ref|figures)\.[\w.]+)`", text(path)):
        parts = dotted.split(".")
        target = importlib.import_module(".".join(parts[:2]))
        for name in parts[2:]:
            target = getattr(target, name)
    for file, name in re.findall(r"`?(tests/[\w/]+\.py)::(\w+)", text(path)):
        assert re.search(rf"^def {name}\(", text(ROOT / file), flags=re.M), f"{file}::{name}"


@pytest.mark.parametrize("path", FILES + SHEETS, ids=lambda p: p.stem)
def test_links_resolve(path):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text(path)):
        assert target.startswith("https://arxiv.org/") or (path.parent / target).exists(), target


def test_departures_in_the_code_are_told_in_the_errata():
    told = text(ROOT / "derivations" / "errata.md")
    for equation in ("(4)", "(8)", "(17)", "(27)", "(18)", "(11)"):
        assert equation in told


def test_the_table_of_propositions_has_each_of_them_once_in_order_with_a_link_to_it():
    table = (
        text(ROOT / "derivations" / "README.md").split("## The propositions")[1].split("\n## ")[0]
    )
    rows = re.findall(
        r"^\| \[(\w+)\]\(([\w.]+)#proposition-(\w+)\) \| (.+?) \|$", table, flags=re.M
    )
    found = {
        h.split()[1]: path.name
        for h, (path, _) in sections().items()
        if h.startswith("Proposition")
    }
    names = [name for name, *_ in rows]
    assert sorted(found, key=lambda name: (name[0], int(name[1:]))) == names
    for name, file, anchor, sentence in rows:
        assert (file, anchor) == (found[name], name.lower()) and sentence.endswith(".")


def test_errata_are_sorted_into_wrong_loose_and_remarks():
    parts = re.split(r"^## (.+)$", text(ROOT / "derivations" / "errata.md"), flags=re.M)
    entries = {
        name: re.findall(r"^### (.+)$", body, flags=re.M)
        for name, body in zip(parts[1::2], parts[2::2], strict=True)
    }
    assert len(entries["Wrong"]) == 3 and entries["Wrong"][0].startswith("(17) and (27)")
    assert (
        entries["Loose"]
        and entries["Remarks"]
        and set(entries) >= {"Where the code departs from the paper"}
    )
