r"""Markdown with mathematics, source code and a font, as pieces of one HTML page.

Well-kept packages do the work: markdown-it-py, math-core (LaTeX to MathML), Pygments, and
fontTools, which cuts STIX Two Math to the glyphs in use. What they cannot convert is an error that
names file and line, so no raw formula comes onto the page.
"""

import base64
import io
import re
from dataclasses import dataclass
from html import escape, unescape
from importlib.resources import files
from pathlib import Path

from fontTools import subset
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from math_core import LatexError, LatexToMathML
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

MATHML = LatexToMathML()
SLANTED = [0x210E, *range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C)]  # browsers slant <mi>x</mi>

VARIANTS = {0xFE00, 0xFE01}  # marks after a letter that choose one of its two script forms


class Unconvertible(ValueError):
    r"""What has no place on the page, with its file and line."""


@dataclass
class Part:
    r"""A heading of a file, what follows up to the next heading, and the figures named there."""

    path: Path
    level: int
    title: str
    head: str  # the title as HTML
    html: str
    figures: list


def parts(path, link, which=slice(None)):
    r"""The parts of a Markdown file. link(path, href): where a link leads on the page, or None."""
    text = path.read_text(encoding="utf-8")
    tokens = MARKDOWN.parse(text)
    for token in tokens:
        for child in token.children or []:
            child.map = token.map  # so that an error within a paragraph has a line
    heads = [i for i, t in enumerate(tokens) if t.type == "heading_open" and t.tag <= "h3"]
    spans = list(zip(heads, [*heads[1:], len(tokens)], strict=True))
    found = []
    for start, end in spans[which]:
        env = {"path": path, "lines": text.splitlines(), "link": link, "figures": []}
        level, title = int(tokens[start].tag[1]), tokens[start + 1]
        head = MARKDOWN.renderer.render([title], MARKDOWN.options, env)
        html = MARKDOWN.renderer.render(tokens[start + 3 : end], MARKDOWN.options, env)
        found.append(Part(path, level, title.content, head, html, env["figures"]))
    return found


class Renderer(RendererHTML):
    r"""HTML of each kind of token; where there is none here, it is markdown-it's own."""

    def math_inline(self, tokens, i, options, env):
        r"""A formula, kept together with the full stop or bracket that follows it."""
        html = mathml(tokens[i], tokens[i].content, env, displayed=False)
        after = tokens[i + 1] if i + 1 < len(tokens) else tokens[i]
        mark = re.match(r"[.,;:)?!]*", after.content)[0] if after.type == "text" else ""
        after.content = after.content.removeprefix(mark)
        return f'<span class="whole">{html}{mark}</span>' if mark else html

    def fence(self, tokens, i, options, env):
        r"""A formula, whose last `\qquad (15)` is set apart as its number, or source code."""
        token = tokens[i]
        if token.info != "math":
            return code(token.content, token.info or "text")
        formula = re.fullmatch(r"(.*?)(?:\\qquad\s*(\(\d+\)))?\s*", token.content, re.S)
        number = f'<span class="number">{formula[2]}</span>' if formula[2] else ""
        mathematics = mathml(token, formula[1], env, displayed=True)
        return f'<div class="formula">{mathematics}{number}</div>'

    def text(self, tokens, i, options, env):
        if re.search(r"[$\\]", tokens[i].content):
            fail(tokens[i], env, "a raw $ or backslash")
        return escape(tokens[i].content, quote=False)

    def html_block(self, tokens, i, options, env):
        r"""Comments are left out; other HTML is not for this page."""
        left = re.sub("<!--.*?-->", "", tokens[i].content, flags=re.S)
        if "<" in left:
            fail(tokens[i], env, "HTML in Markdown")
        return left

    html_inline = html_block

    def code_inline(self, tokens, i, options, env):
        name = tokens[i].content
        if not re.fullmatch(r"fig\d\d", name):
            return super().code_inline(tokens, i, options, env)
        env["figures"].append(name)
        return f'<a href="#{name}"><code>{name}</code></a>'

    def link_open(self, tokens, i, options, env):
        r"""A link to a file that is not on the page is only its name."""
        try:
            target = env["link"](env["path"], tokens[i].attrs["href"])
        except LookupError:
            fail(tokens[i], env, "a link that leads nowhere")
        env["close"] = "</a>" if target else "</span>"
        return f'<a href="{escape(target)}">' if target else '<span class="file">'

    def link_close(self, tokens, i, options, env):
        return env["close"]


def backticked(state, silent):
    r"""markdown-it's rule for GitHub's $`..`$."""
    end = state.src.find("`$", state.pos + 2)
    if end < 0 or not state.src.startswith("$`", state.pos):
        return False
    if not silent:
        state.push("math_inline", "math", 0).content = state.src[state.pos + 2 : end]
    state.pos = end + 2
    return True


MARKDOWN = MarkdownIt("commonmark", renderer_cls=Renderer).enable("table")
MARKDOWN.inline.ruler.before("backticks", "math", backticked)


def mathml(token, latex, env, displayed):
    try:
        html = MATHML.convert_with_local_state(latex, displaystyle=displayed)
    except LatexError as error:
        fail(token, env, f"mathematics that math-core refuses: {error}")
    # A large bracket with an index grows in Chromium only where it is in a row of its own.
    return re.sub(r"(<ms\w+>)(<mo [^>]*minsize[^>]*>.</mo>)", r"\1<mrow>\2</mrow>", html)


def fail(token, env, words):
    r"""Raises Unconvertible, at the first line of the block that holds the token's text."""
    text, (first, last) = token.content or token.attrs["href"], token.map
    line = next((k for k in range(first, last) if text in env["lines"][k]), first)
    place = env["path"].relative_to(env["path"].parent.parent)
    raise Unconvertible(f"{place}:{line + 1}: {words}: {text.strip()}")


def code(text, language="python"):
    r"""Highlighted source."""
    html = highlight(text.rstrip(), get_lexer_by_name(language), HtmlFormatter(nowrap=True))
    return f"<pre><code>{html}</code></pre>"


def font(html):
    r"""STIX Two Math, cut to the formulas of the page, in base64, and its licence in words."""
    formulas = "".join(re.findall("<math.*?</math>", html, flags=re.S))
    used = {ord(letter) for letter in unescape(re.sub("<[^>]*>", "", formulas)) if letter > " "}
    options = subset.Options(flavor="woff", layout_features=["*"], name_IDs=["*"])
    file = io.BytesIO()
    with subset.load_font(files("ziamath") / "fonts" / "STIXTwoMath-Regular.ttf", options) as stix:
        if missing := used - set(stix.getBestCmap()) - VARIANTS:
            raise Unconvertible(f"STIX Two Math lacks glyphs for {[hex(c) for c in missing]}")
        name, owner, licence = (stix["name"].getDebugName(key) for key in (4, 0, 13))
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=used.union(SLANTED))
        cutter.subset(stix)
        subset.save_font(stix, file, options)
    words = f"Formulas are set in {name}, cut to the glyphs in use. {owner}. {licence}"
    return base64.b64encode(file.getvalue()).decode(), words
