"""How Sphinx builds the documentation: the API from the docstrings, the tour from its scripts.

The source folder is the one above, so that links between its files hold on the pages too:

    sphinx-build -M html examples results/docs -c examples/docs
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import myst_nb.core.render
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.addnodes import download_reference
from sphinx.application import Sphinx

EXAMPLES = Path(__file__).parent.parent
# This checkout, whatever is installed, here and where the cells of the tour run.
sys.path[:0] = [str(EXAMPLES.parent), str(EXAMPLES)]
os.environ["PYTHONPATH"] = str(EXAMPLES.parent)

import ae_numpy  # noqa: E402

project = "ae_numpy"
version = release = ae_numpy.__version__
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "[0-9][0-9]_*.py",
    "find_the_bug.py",
    "homework/README.md",
    "teaching.md",
    "docs/**.rst",
]

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_nb",
]
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
    "show_relbar_bottom": True,
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

nb_custom_formats = {".py": ["tour_notebooks.read_script", {}]}
nb_execution_mode = "force"  # of those chapters that have changed: Sphinx keeps the other pages
nb_execution_timeout = 300  # seconds a cell: the first one compiles the kernels
# With `sphinx-build -t quick` only the first chapter is run, and what is not a chapter.
nb_execution_excludepatterns = ["0[!1]_*", "1?_*"] if tags.has("quick") else []  # noqa: F821
nb_execution_raise_on_error = True
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]


def visit_formula(translator: Any, node: nodes.math | nodes.math_block) -> None:
    """Write MathML, which browsers show without a script; narrow screens break it at quads."""
    formula = re.sub(r"(frac)(\d)(\d)", r"\1{\2}{\3}", node.astext())
    if isinstance(node, nodes.math):
        translator.body.append(tex2mathml(formula))
    else:
        parts = [formula] if r"\begin" in formula else formula.split(r"\qquad")
        mathml = "".join(tex2mathml(part, as_block=True) for part in parts)
        translator.body.append(f'<div class="formula">{mathml}</div>')
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


def join_streams(outputs: list[Any]) -> list[Any]:
    """Put together what a cell prints in one go: the kernel sends it in pieces as it likes."""
    joined: list[Any] = []
    for output in outputs:
        if joined and output.get("name", "") == joined[-1].get("name"):  # stdout or stderr
            joined[-1]["text"] += output["text"]
        else:
            joined.append(output)
    return joined


def settle_links(app: Sphinx, doctree: nodes.document) -> None:
    """What a link to a file becomes if no page is made of the file."""
    links = [node for node in doctree.findall(nodes.Element) if node.get("reftype") == "myst"]
    for link in links:
        target = Path(app.srcdir, app.env.docname).parent / link["reftarget"]
        path = os.path.splitext(os.path.relpath(target, EXAMPLES.parent))[0]
        place, *names = path.split(os.sep)
        no_page = link.get("refdomain") == "doc" and link["reftarget"] not in app.env.found_docs
        if isinstance(link, download_reference) and target.suffix == ".html":
            link.replace_self(nodes.reference("", "", *link.children, refuri=link["reftarget"]))
        elif place == "ae_numpy":
            names += [link.astext()] * bool(link.get("reftargetid"))  # the line of a function
            link.attributes |= {"refdomain": "py", "reftype": "obj"}
            link["reftarget"] = ".".join([place, *names])
        elif target.is_dir() or no_page:
            link.replace_self(link.children)


def without_fields_of_tuples(
    app: Sphinx, what: str, name: str, thing: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out "Alias for field number 0": the docstring of the class describes its fields."""
    return True if type(thing).__name__ == "_tuplegetter" else None


def add_other_pages(app: Sphinx, error: Exception | None) -> None:
    """Add the live graph, and a first page where servers look for it."""
    if error is None:
        live, first = Path(app.outdir, "live"), Path(app.outdir, "index.html")
        live.mkdir(exist_ok=True)
        shutil.copy(EXAMPLES / "live" / "index.html", live)
        first.write_text('<meta http-equiv="refresh" content="0; url=docs/index.html">\n')


def setup(app: Sphinx) -> None:
    # Theirs adds a line break to every piece; an error if they rename it.
    assert vars(myst_nb.core.render)["coalesce_streams"]
    myst_nb.core.render.coalesce_streams = join_streams
    app.add_html_math_renderer("mathml", (visit_formula, None), (visit_formula, None))
    app.connect("doctree-read", settle_links)
    app.connect("build-finished", add_other_pages)
    app.connect("missing-reference", link_by_last_name)
    app.connect("autodoc-skip-member", without_fields_of_tuples)
