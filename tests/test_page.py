"""The paper on one page: complete, self-contained, and nothing on it is left unconverted."""

import base64
import io
import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

WHY = "the extra `page` is not installed; `make paper` does it"
for _name in ("markdown_it", "math_core", "ziamath"):
    pytest.importorskip(_name, reason=WHY)

from fontTools.ttLib import TTFont  # noqa: E402

from derivations import convert  # noqa: E402
from derivations import paper as builder  # noqa: E402
from rnnvae_ref import paper  # noqa: E402

ROOT = Path(__file__).parent.parent
SOURCES = [*builder.SECTIONS, builder.NOTES, builder.ERRATA]


@pytest.fixture(scope="module")
def page():
    return builder.build()


@pytest.fixture(scope="module")
def read(page):
    return Reader(page)


class Reader(HTMLParser):
    """A page as a browser sees it: ids, links, sources, text of each spread, text outside code."""

    def __init__(self, page):
        super().__init__()
        self.ids, self.links, self.sources, self.headings = [], [], [], []
        self.spreads, self.spread, self.inside, self.plain = {}, None, [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        self.sources += [found["src"]] if "src" in found else []
        self.headings += [int(tag[1])] if re.fullmatch(r"h\d", tag) else []
        if tag == "article":
            self.spread = found["id"]
            self.spreads[self.spread] = ""
        self.inside += [tag] if tag in ("code", "pre", "math", "script", "style") else []

    def handle_endtag(self, tag):
        if self.inside and tag == self.inside[-1]:
            self.inside.pop()
        if tag == "article":
            self.spread = None

    def handle_data(self, data):
        if self.spread:
            self.spreads[self.spread] += data
        if not self.inside:
            self.plain += data


def text(path):
    return path.read_text(encoding="utf-8")


def test_there_is_a_spread_for_each_equation_in_the_papers_order(read):
    assert list(read.spreads) == [f"eq-{n}" for n in range(1, 28)]


@pytest.mark.parametrize("e", paper.EQUATIONS, ids=lambda e: f"eq{e.number}")
def test_each_spread_has_code_values_test_and_figure(e, read, page):
    spread, row = read.spreads[f"eq-{e.number}"], paper.evaluated(e, paper.Case())
    assert all(source.rstrip() in spread for source in e.sources())
    file, name = e.test_id.split("::")
    assert name in spread and f"def {name}(" in spread and file in spread
    sides = f"{row.left:.5f}", f"{row.right:.5f}", f"{abs(row.left - row.right):.0e}"
    assert all(shown in spread for shown in (*sides, row.verdict, row.block))
    derivation = text(ROOT / e.derivation.split("#")[0]).split(f"### Eq. ({e.number})\n")[1]
    first = re.split(r"\n|\$`|[\[*`]", derivation.strip())[0]
    assert first and first in spread
    assert not e.figure or f'<figure id="{e.figure}">' in page


def test_the_page_begins_with_the_findings_of_readme_and_figure_20(page):
    findings = text(ROOT / "README.md").split("\n## ")[1]
    title = findings.split("\n")[0]
    order = f">{title}</h2>", '<figure id="fig20">', 'id="contents"', '<article id="eq-1">'
    assert sorted(order, key=page.index) == list(order)
    head = " ".join(re.sub("<[^>]*>", "", unescape(page.split('id="contents"')[0])).split())
    bold = [" ".join(words.split()) for words in re.findall(r"\*\*(.+?)\*\*", findings, flags=re.S)]
    numbers = re.findall(r"-->\s*(-?[\d.]*\d)", findings)
    assert len(bold) == 3 and all(words in head for words in bold + numbers)


def test_propositions_and_errata_stand_on_the_page_once_with_their_values(read, page):
    parts = [part for path in SOURCES for part in convert.parts(path, builder.link)]
    folded = re.findall(r"<summary>(?:Erratum: )?(.*?)</summary>", page)
    for part in parts:
        assert part.level < 3 or builder.number(part) or folded.count(part.head) == 1, part.title
    for statement in paper.PROPOSITIONS:
        row = paper.evaluated(statement, paper.Case())
        fold = page.split(f'<div id="proposition-{row.number.lower()}">')[1].split("</details>")[0]
        assert f"{row.left:.5f}" in fold and f"{row.right:.5f}" in fold


def test_an_erratum_stands_where_it_is_named_first_and_is_linked_elsewhere(read, page):
    parts = convert.parts(builder.ERRATA, builder.link)
    title = next(f"Erratum: {part.title}" for part in parts if part.title.startswith("(17)"))
    assert title in read.spreads["eq-17"] and title in read.spreads["eq-27"]
    whole = f"<summary>{title}</summary>"
    assert whole in page.split('<article id="eq-17">')[1].split("</article>")[0]
    part = convert.Part(builder.ERRATA, 3, "Section 2.3: a word", "", "", [])
    assert builder.equations_in(part) == [16]


def test_every_link_leads_somewhere_and_no_name_is_there_twice(read):
    assert len(read.ids) == len(set(read.ids))
    inner = [link.removeprefix("#") for link in read.links if link.startswith("#")]
    assert set(inner) <= set(read.ids)
    assert all(link.startswith(("#", "https://arxiv.org/")) for link in read.links)


def test_the_page_needs_no_other_file_and_no_network(page, read):
    assert all(source.startswith("data:image/png;base64,") for source in read.sources)
    assert set(re.findall(r"url\((.{15})", page)) == {"data:font/woff;"}
    assert not re.search(r"<(link|iframe|object|embed|img [^>]*srcset)|@import", page)
    assert len(page.encode()) < 6e6


def test_no_raw_mathematics_is_left_outside_code(read):
    assert not re.findall(r".{0,30}(?:\$|\\|`).{0,30}", read.plain)


def test_every_formula_of_the_sources_is_mathml_that_can_be_parsed(page):
    formulas = re.findall(r"<math.*?</math>", page, flags=re.S)
    sources = "".join(map(text, SOURCES))
    assert len(formulas) == sources.count("```math\n") + sources.count("$`") > 1500
    for formula in formulas:
        tree = ElementTree.fromstring(re.sub("&(?!amp;|lt;|gt;)", "&amp;", formula))
        assert tree.tag == "math" and tree.find(".//merror") is None


def test_a_number_after_a_formula_is_set_apart(page):
    assert all(f'<span class="number">({e.number})</span></div>' in page for e in paper.EQUATIONS)


def test_headings_go_down_by_one_level_at_a_time(read):
    assert read.headings[0] == 1 and read.headings.count(1) == 1
    assert all(b <= a + 1 for a, b in zip(read.headings, read.headings[1:], strict=False))


def test_the_font_names_its_licence_and_refuses_what_it_lacks(page):
    for words in ("STIX Two Math", "SIL Open Font License", "The STIX Fonts Project Authors"):
        assert words in page
    with pytest.raises(convert.Unconvertible, match=r"lacks glyphs for .*0x6c34"):
        convert.font("<math><mi>水</mi></math>")


def test_the_font_has_large_sums_and_brackets_and_the_letters_that_browsers_slant(page):
    woff = re.search(r"data:font/woff;base64,([^)]*)", page)[1]
    with TTFont(io.BytesIO(base64.b64decode(woff))) as font:
        taller = font["MATH"].table.MathVariants.VertGlyphCoverage.glyphs
        names = font.getBestCmap()
        assert {names[ord(sign)] for sign in "∑∏∫[]()"} <= set(taller)
        assert {0x1D465, 0x1D43E, 0x1D716} <= set(names)  # slanted x, K and epsilon


def test_a_large_bracket_with_an_index_is_in_a_row_of_its_own(page):
    """Else Chromium draws it small."""
    assert "</mo></mrow><mrow><msub>" in page and not re.search(r"<ms\w+><mo [^>]*minsize", page)


BAD = {
    "a formula": ("1\n\n```math\n\\nonsense{x}\n```\n", 3, "math-core refuses"),
    "a formula in a line": ("1\n2\nso $`\\frac{1}`$ is\n", 3, "math-core refuses"),
    "a dollar": ("1\n2\n\ncosts $3\n", 4, r"a raw \$ or backslash"),
    "a backslash": ("1\n\na \\alpha\n", 3, r"a raw \$ or backslash"),
    "html": ("1\n\n<img src='x.png'>\n", 3, "HTML in Markdown"),
    "a link to no file": ("1\n2\n[x](nowhere.md)\n", 3, "a link that leads nowhere"),
    "a link to no heading": ("1\n\n[x](3_bound.md#nowhere)\n", 3, "a link that leads nowhere"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_converted_is_an_error_with_its_file_and_line(name, tmp_path):
    body, line, words = BAD[name]
    folder = tmp_path / "derivations"
    folder.mkdir()
    file = folder / "9_new.md"
    file.write_text(f"# Title\n\n{body}", encoding="utf-8")
    link = lambda path, href: builder.link(builder.NOTES, href)
    place = rf"derivations/9_new\.md:{line + 2}: "
    with pytest.raises(convert.Unconvertible, match=f"{place}.*{words}"):
        convert.parts(file, link)


def test_a_comment_is_left_out_and_a_link_to_another_file_is_its_name(tmp_path):
    file = tmp_path / "9_new.md"
    content = "# Title $`x`$\n\n1 <!-- fig01: x --> 2\n[a grader](README.md), `fig11`\n"
    file.write_text(content, encoding="utf-8")
    (part,) = convert.parts(file, lambda path, href: None)
    assert part.head == "Title <math><mi>x</mi></math>"
    link = '<a href="#fig11"><code>fig11</code></a>'
    assert part.html == f'<p>1  2\n<span class="file">a grader</span>, {link}</p>\n'
    assert part.figures == ["fig11"]


def test_a_figure_that_is_not_published_is_an_error():
    with pytest.raises(convert.Unconvertible, match="fig99"):
        builder.figure("fig99")


def test_a_lost_heading_is_an_error(monkeypatch):
    monkeypatch.setattr(builder, "SECTIONS", builder.SECTIONS[1:])
    with pytest.raises(convert.Unconvertible, match="must be those of 1 to 27"):
        builder.build()


@pytest.mark.parametrize(("number", "wanted"), [(5, "right"), (8, "right"), (17, "wrong")])
def test_a_verdict_has_its_colour(number, wanted):
    row = paper.evaluated(paper.EQUATIONS[number - 1], paper.Case())
    assert builder.verdict(row) == f'<span class="{wanted}">{row.verdict}</span>'


def luminance(colour):
    colour = colour if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:])
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_text_stands_out_from_its_ground_in_the_light_and_in_the_dark():
    """The contrast that WCAG asks for: 4.5 to 1."""
    schemes = re.findall(r":root \{(.*?)\}", text(builder.HERE / "page.html"), flags=re.S)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#\w+);", scheme))
        grounds = [luminance(colours.pop(name)) for name in ("paper", "tint")]
        del colours["line"]
        for name, colour in colours.items():
            for ground in grounds:
                low, high = sorted([luminance(colour), ground])
                assert (high + 0.05) / (low + 0.05) >= 4.5, name


def test_the_command_writes_the_page_or_tells_an_error(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(builder, "ROOT", tmp_path)
    monkeypatch.setattr(builder, "OUT", tmp_path / "out" / "paper.html")
    monkeypatch.setattr(builder, "build", lambda: "the page")
    builder.main()
    assert (tmp_path / "out" / "paper.html").read_text() == "the page"
    assert capsys.readouterr().out.split()[0] == "out/paper.html"
    monkeypatch.setattr(builder, "build", lambda: builder.figure("fig99"))
    with pytest.raises(SystemExit, match=r"python -m derivations.paper: .*fig99"):
        builder.main()


def test_without_the_extra_one_sentence_says_what_to_do():
    script = "import sys; sys.modules['math_core'] = None; import derivations.paper"
    words = [sys.executable, "-c", script]
    run = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 1 and len(run.stderr.splitlines()) == 1
    assert "`make paper` installs; here math_core is missing" in run.stderr
