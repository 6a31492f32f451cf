"""How Sphinx builds the documentation: the API from the docstrings, the tour from its scripts."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

EXAMPLES = Path(__file__).parent.parent
sys.path.insert(0, str(EXAMPLES.parent))  # this checkout, whatever is installed

import ae_numpy  # noqa: E402

project = "ae_numpy"
version = release = ae_numpy.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.viewcode", "numpydoc"]
exclude_patterns = ["_build"]
default_role = "py:obj"
smartquotes = False  # they would take primes for apostrophes
add_module_names = False
html_theme = "alabaster"
html_theme_options = {
    "description": "Autoencoders from first principles",
    "page_width": "1180px",
    "body_max_width": "none",
    "sidebar_width": "250px",
    "code_font_size": "0.8em",  # lines of 100 characters fit in
}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
html_math_renderer = "mathml"
html_show_copyright = False
html_show_sourcelink = False
html_static_path = html_css_files = ["style.css"]

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say more: shapes
autodoc_mock_imports = [] if find_spec("hypothesis") else ["hypothesis"]
autosummary_generate = False
numpydoc_show_class_members = False


# ------------------------------------------------------------------------------------- the tour


class Chapter(SphinxDirective):
    """``.. chapter:: NN_name`` makes a page of the script of that name, in percent format."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        script = EXAMPLES / f"{self.arguments[0]}.py"
        self.env.note_dependency(str(script))
        text = "".join(cells_as_rst(script.read_text(encoding="utf-8"), script.stem))
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def cells_as_rst(script: str, name: str) -> Iterator[str]:
    """Yield reST for every cell; the picture stands below the code that saves it."""
    marks_and_bodies = re.split(r"^# %%(.*)\n", script, flags=re.MULTILINE)[1:]
    for mark, body in zip(marks_and_bodies[::2], marks_and_bodies[1::2], strict=True):
        if "markdown" in mark:
            yield markdown_as_rst(re.sub(r"^# ?", "", body, flags=re.MULTILINE))
        else:
            yield block("code-block:: python", body)
        if f'save(figure, "{name}")' in body:
            yield f"\n.. image:: ../../pictures/{name}.png\n   :alt: {description(name)}\n\n"


def description(name: str) -> str:
    """What the tour's table of contents says of a picture."""
    contents = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"!\[([^]]+)\]\(pictures/{name}\.png\)", contents)
    return found[1] if found else name


def split_emphasis(match: re.Match) -> str:
    """Take code and formulas out of what is emphasised, which in reST cannot hold them."""
    mark, rst = match[1], ""
    for piece in re.split(r"(\0\d+\0)", match[2]):
        if "\0" not in piece:
            piece = re.sub(r"(?s)\S(.*\S)?", lambda words: mark + words[0] + mark, piece)
        touches = re.search(r"\S$", rst) and re.match(r"\S", piece)
        rst += "\\ " + piece if touches else piece
    return rst


def block(directive: str, content: str) -> str:
    return f"\n.. {directive}\n\n" + re.sub(r"(?m)^(?=.)", "   ", content.strip("\n")) + "\n\n"


def markdown_as_rst(text: str) -> str:
    """Translate what the tour uses of Markdown; bold, emphasis and lists are the same in reST."""
    kept: list[str] = []

    def keep(rst: str) -> str:  # nothing below may touch it
        kept.append(rst)
        return f"\0{len(kept) - 1}\0"

    def inline(rst: str, match: re.Match) -> str:  # in reST, letters must not touch it
        before, after = match.string[match.start() - 1 :][:1], match.string[match.end() :][:1]
        return keep("\\ " * bool(before.strip()) + rst + "\\ " * bool(after.strip()))

    def link(match: re.Match) -> str:
        label, target = re.sub(r"\s+", " ", match[1]), match[2]
        if in_the_package := re.fullmatch(r"\.\./ae_numpy/(\w+)\.py#L\d+", target):
            name = label.strip("`")
            return inline(f":func:`{name} <ae_numpy.{in_the_package[1]}.{name}>`", match)
        if chapter := re.fullmatch(r"(\d\d_\w+)\.py", target):
            return inline(f":doc:`{label} <{chapter[1]}>`", match)
        return inline(f"`{label} <{target}>`__", match) if "://" in target else label

    def code(match: re.Match) -> str:
        return inline(f"``{match[1]}``", match)

    def math(match: re.Match) -> str:
        return inline(f":math:`{match[1]}`", match)

    text = re.sub(r"(?s)\$\$(.+?)\$\$", lambda match: keep(block("math::", match[1])), text)
    text = re.sub(r"\[([^]]+)\]\(([^)\s]+)\)", link, text)
    text = re.sub(
        r"(?<=\n\n)((?: {4}.*\n)+)",
        lambda match: keep(block("code-block:: python", match[1])),
        text,
    )
    text = re.sub(r"`([^`]+)`", code, text)
    text = re.sub(r"\$([^$]+)\$", math, text)
    text = re.sub(r"(?<!\*)(\*\*?)(?=\S)([^*]*\0[^*]*)(?<=\S)\1(?!\*)", split_emphasis, text)
    text = re.sub(r"\||(?<=\w)_(?!\w)", r"\\\g<0>", text)  # would be references in reST
    text = re.sub(
        r"(?m)^(#+) (.+)$", lambda match: f"{match[2]}\n{'=-~'[len(match[1]) - 1] * 100}", text
    )
    while "\0" in text:  # something kept may hold something kept before it
        text = re.sub(r"\0(\d+)\0", lambda match: kept[int(match[1])], text)
    return f"\n{text}\n"


# ------------------------------------------------------------------------------ formulas, links


def visit_formula(translator: Any, node: nodes.math | nodes.math_block) -> None:
    """Write MathML, which browsers show without a script from the network."""
    formula = re.sub(r"(frac)(\d)(\d)", r"\1{\2}{\3}", node.astext())
    translator.body.append(tex2mathml(formula, as_block=isinstance(node, nodes.math_block)))
    raise nodes.SkipNode


def link_by_last_name(
    app: Sphinx, env: Any, node: nodes.Element, content: nodes.Element
) -> nodes.Node | None:
    """Make `Network`, or `reference.matmul`, a link wherever only one thing ends so."""
    python, end = env.get_domain("py"), f".{node.get('reftarget')}"
    kinds = {"class", "exception", "function", "method", "module"}
    found = [
        name
        for name, entry in python.objects.items()
        if name.endswith(end) and entry.objtype in kinds and not entry.aliased
    ]
    if node.get("reftype") != "obj" or len(found) != 1:
        return None
    return python.resolve_xref(env, node["refdoc"], app.builder, "obj", found[0], node, content)


def without_fields_of_tuples(
    app: Sphinx, what: str, name: str, thing: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out "Alias for field number 0": the docstring of the class describes its fields."""
    return True if type(thing).__name__ == "_tuplegetter" else None


def setup(app: Sphinx) -> None:
    app.add_directive("chapter", Chapter)
    app.add_html_math_renderer("mathml", (visit_formula, None), (visit_formula, None))
    app.connect("missing-reference", link_by_last_name)
    app.connect("autodoc-skip-member", without_fields_of_tuples)
