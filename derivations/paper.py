r"""python -m derivations.paper writes derivations/out/paper.html: the paper on one page, offline.

For each of the 27 equations a spread: its derivation, the function that computes it, both sides as
they come out now, the test that checks it, and its figure. `rnnvae_ref/paper.py` is the map, the
words are those of derivations/*.md, the pictures those of figures/published.
"""

import ast
import base64
import inspect
import re
from functools import cache
from html import escape
from string import Template

from rnnvae_ref import __version__, paper
from rnnvae_ref.__main__ import INTRODUCTION, KEY
from rnnvae_ref.numerics import atomic_write

try:
    from derivations import convert
    from derivations.convert import Unconvertible, code
except ModuleNotFoundError as error:
    words = "the page needs the extra `page` of pyproject.toml, which `make paper` installs"
    raise SystemExit(f"{words}; here {error.name} is missing") from None

ROOT = paper.checkout().resolve()
HERE = ROOT / "derivations"
OUT = HERE / "out" / "paper.html"
SECTIONS = sorted(HERE.glob("[0-9]_*.md"))
NOTES, ERRATA = HERE / "README.md", HERE / "errata.md"
NOT_SHOWN = ("Reading order", "What came later", "The map of equations")  # of NOTES


def main():
    r"""Builds the page and writes it."""
    try:
        page = build()
    except Unconvertible as error:
        raise SystemExit(f"python -m derivations.paper: {error}") from None
    OUT.parent.mkdir(exist_ok=True)
    with atomic_write(OUT) as part:
        part.write_text(page, encoding="utf-8")
    print(f"{OUT.relative_to(ROOT)}  ({len(page.encode()) / 1e6:.1f} MB)")


def build():
    r"""The whole page as text."""
    body = Page(paper.Case()).body()
    font, licence = convert.font(body)
    strip = "".join(f'<a href="#eq-{e.number}">{e.number}</a>' for e in paper.EQUATIONS)
    page = Template((HERE / "page.html").read_text(encoding="utf-8"))
    return page.substitute(
        body=body, strip=strip, font=font, licence=escape(licence), version=__version__
    )


class Page:
    r"""The body of the page, evaluated on one case. A figure is shown where it is first named."""

    def __init__(self, case):
        self.case, self.shown = case, set()
        self.notes, self.errata = (convert.parts(path, link) for path in (NOTES, ERRATA))
        self.sections = [convert.parts(path, link) for path in SECTIONS]
        found = [number(part) for parts in self.sections for part in parts if number(part)]
        if found != [e.number for e in paper.EQUATIONS]:
            raise Unconvertible(f"headings `### Eq. (n)` must be those of 1 to 27; got {found}")

    def body(self):
        findings = convert.parts(ROOT / "README.md", link, slice(1, 2))[0]  # its first section
        findings = re.sub(r"Eq\. \((\d+)\)", r'<a href="#eq-\1">\g<0></a>', headed(findings))
        shown = (part for part in self.notes[1:] if part.title not in NOT_SHOWN)
        notes = "".join(map(headed, shown))
        key = f'<h2 id="values">The values</h2><pre>{escape(INTRODUCTION + KEY)}</pre>'
        key += folded("The small model, in numbers", f"<pre>{self.numbers()}</pre>")
        key += folded("The small model, in code", code(inspect.getsource(paper.Case)))
        helpers = [part for name, part in inspect.getmembers(paper, inspect.isfunction)
                   if name.startswith("_") and name != "_verdict"]  # fmt: skip
        helpers = "\n\n".join(map(inspect.getsource, helpers))
        key += folded("What the rows call to compute their two sides", code(helpers))
        return f"""<div class="spread"><div>{findings}</div>{self.figures(["fig20"])}</div>
<div class="spread"><div>{self.contents()}{key}</div>
<div id="{NOTES.stem}">{notes}</div></div>
{"".join(map(self.section, [*self.sections, self.errata]))}"""

    def numbers(self):
        r"""Data and parameters of the case, rounded; particle 1 is the model of one particle."""
        found = {"X": self.case.X} | self.case.pair[1]
        lines = [f"{name} {a.shape}: {a.round(3).tolist()}" for name, a in found.items()]
        chances = f"CHANCES {paper.CHANCES.shape}: log 1/2 = {paper.CHANCES.max():.3f} each"
        return escape("\n".join([*lines, f"sigma: {paper.SIGMA}", chances]))

    def contents(self):
        r"""Every equation with its function and its verdict."""
        rows = ""
        for parts in self.sections:
            rows += f'<tr><th colspan="4">{heading_link(parts[0])}</th></tr>'
            for e in (paper.EQUATIONS[number(part) - 1] for part in parts if number(part)):
                link = f'<a href="#eq-{e.number}">({e.number})</a>'
                says, name = (f"<code>{escape(text)}</code>" for text in (e.says, e.name))
                rows += cells(link, says, name, verdict(self.row(e)))
        return f'<h2 id="contents">Contents</h2><table class="contents">{rows}</table>'

    def row(self, statement):
        return paper.evaluated(statement, self.case)

    def section(self, parts):
        r"""One file of derivations, in its own order. Errata that stand elsewhere are links."""
        html = headed(parts[0])
        for part in parts[1:]:
            if part.level == 2:
                html += headed(part, "h3")
            elif number(part):
                html += self.spread(part, paper.EQUATIONS[number(part) - 1])
            elif equations_in(part):
                html += f"<p>{heading_link(part)}</p>"
            else:
                html += self.proposition(part)
        return f"<section>{html}</section>"

    def spread(self, part, e):
        r"""Left the derivation, right code, values, test and figure; below them the errata."""
        source, *steps = map(code, e.sources())
        steps = "".join(folded("The same, step by step", text) for text in steps)
        place = f"rnnvae_ref/{e.name.split('.')[0]}.py, line {e.line}"
        where = "Appendix A" if e.section == "A" else f"Section {e.section}"
        file, test = e.test_id.split("::")
        lines = inspect.cleandoc(inspect.getsource(e.check))  # a lambda has more on its line
        for name, value in inspect.getclosurevars(e.check).nonlocals.items():
            lines = re.sub(rf"\b{name}\b", repr(value), lines)
        check = code(lines.split(", APPENDIX")[0].rstrip(","))
        return f"""<article id="eq-{e.number}">
<h3>Eq. ({e.number}) <small>{where}: <code>{escape(e.says)}</code></small></h3>
<div class="spread"><div>{part.html}</div>
<div><h4>Computed by <code>{e.name}</code> <small>{place}</small></h4>{source}{steps}
<h4>Its two sides, now</h4>{values([self.row(e)])}
{folded("How they are computed: (left, right)", check)}
<h4>Checked by <code>{test}</code> <small>{file}</small></h4>
{folded("The test", code(function_source(ROOT / file, test)))}
{self.figures([e.figure, *part.figures])}</div></div>{self.errata_on(e.number)}</article>"""

    def proposition(self, part):
        r"""What is not in the paper: folded, with its values where it has some."""
        own = [s for s in paper.PROPOSITIONS if id_of(part) == f"proposition-{s.number.lower()}"]
        rows = [self.row(s) for s in own]
        table = values(rows, says=True) if rows else ""
        return folded(part.head, part.html + table + self.figures(part.figures), id_of(part))

    def errata_on(self, n):
        r"""In full where Eq. (n) is the first that the heading names, else as a link."""
        html = ""
        for part in self.errata:
            named = equations_in(part)
            if n in named[:1]:
                html += folded(f"Erratum: {part.head}", part.html, id_of(part))
            elif n in named:
                html += f"<p>Erratum: {heading_link(part)}</p>"
        return html

    def figures(self, names):
        new = [name for name in dict.fromkeys(names) if name and name not in self.shown]
        self.shown.update(new)
        return "".join(map(figure, new))


def figure(name):
    r"""The published picture, with the question of its script and what to see."""
    script = next((ROOT / "figures").glob(f"{name}_*.py"), None)
    picture = ROOT / "figures" / "published" / f"{script.stem if script else name}.png"
    if not picture.exists():
        raise Unconvertible(f"derivations name {name}, and there is no {picture.relative_to(ROOT)}")
    head = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))).split("Falsified by")[0]
    head = re.sub("`(.+?)`", r"<code>\1</code>", escape(head))
    question, _, see = head.partition("\n\n")
    image = base64.b64encode(picture.read_bytes()).decode()
    return f"""<figure id="{name}"><img alt="{question}" src="data:image/png;base64,{image}">
<figcaption><strong>Figure {int(name[3:])}. {question}</strong> {see}</figcaption></figure>"""


def headed(part, tag="h2"):
    return f'<{tag} id="{id_of(part)}">{part.head}</{tag}>{part.html}'


def heading_link(part):
    return f'<a href="#{id_of(part)}">{part.head}</a>'


def folded(summary, html, name=None):
    r"""The name stands inside, so that a link to it unfolds the part."""
    inside = f'<div id="{name}">{html}</div>' if name else html
    kind = ' class="text"' if name else ""
    return f"<details{kind}><summary>{summary}</summary>{inside}</details>"


def values(rows, says=False):
    r"""Left side, relation, right side, difference and verdict, under the setting they hold in."""
    html = cells(*[""] * says, "left", "", "right", "difference", "verdict").replace("td>", "th>")
    for row in rows:
        gap = f"{abs(row.left - row.right):.0e}"
        sides = f"{row.left:.5f}", escape(row.relation), f"{row.right:.5f}", gap
        html += cells(*[f"<code>{escape(row.says)}</code>"] * says, *sides, verdict(row))
    settings = " ".join(dict.fromkeys(row.block for row in rows))
    caption = f'{escape(settings)} <a href="#values">Which model?</a>'
    return f'<table class="values"><caption>{caption}</caption>{html}</table>'


def cells(*texts):
    return f"<tr>{''.join(f'<td>{text}</td>' for text in texts)}</tr>"


def verdict(row):
    kind = "wrong" if row.verdict in (paper.DEPARTS, paper.FAILS) else "right"
    return f'<span class="{kind}">{row.verdict}</span>'


def function_source(path, name):
    r"""The text of a function of a file, with its decorators."""
    text = path.read_text(encoding="utf-8")
    node = next(node for node in ast.parse(text).body if getattr(node, "name", "") == name)
    first = min(part.lineno for part in (node, *node.decorator_list))
    return "\n".join(text.splitlines()[first - 1 : node.end_lineno])


def number(part):
    r"""That of the equation which a part is about, or None."""
    found = re.fullmatch(r"Eq\. \((\d+)\)", part.title)
    return found and int(found[1])


def equations_in(part):
    r"""The equations that the heading of an erratum names, by their numbers or by a section."""
    if part.path != ERRATA:
        return []
    numbers = [int(n) for n in re.findall(r"\((\d+)\)", part.title)]
    section = re.search(r"Section (\d\.\d)", part.title)
    return numbers or [e.number for e in paper.EQUATIONS if section and e.section == section[1]][:1]


def id_of(part):
    return name_of(part.path, part.level, part.title)


def name_of(path, level, title):
    r"""The id of a heading on the page: short where paper or derivations have a number for it."""
    numbered = re.match(r"eq-\d+$|proposition-[a-z]\d+", slug(title))
    inner = numbered[0] if numbered else f"{path.stem}-{slug(title)}"
    return path.stem if level == 1 else inner


def slug(title):
    r"""GitHub's anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@cache
def headings(path):
    r"""GitHub's anchor of each heading of a file -> its id on the page."""
    found = re.findall(r"^(#{1,3}) (.+)$", path.read_text(encoding="utf-8"), flags=re.M)
    return {slug(title): name_of(path, len(marks), title) for marks, title in found}


def link(path, href):
    r"""Where a link leads on the page; None: to a file that is not on it. LookupError: nowhere."""
    file, _, anchor = href.partition("#")
    target = (path.parent / file).resolve() if file else path
    if href.startswith("https://"):
        return href
    if not target.exists():
        raise LookupError(href)
    if target not in (*SECTIONS, NOTES, ERRATA):
        return None
    return f"#{headings(target)[anchor] if anchor else target.stem}"


if __name__ == "__main__":
    main()
