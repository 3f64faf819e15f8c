#!/usr/bin/env python3
"""Makes the reference of the public Fortran modules with FORD: what `make docs` runs after mkdocs.

FORD warns of what it cannot understand; here a warning is a failure. Its pages ask a server for Bootstrap; they are given
the one that mkdocs brings along, so that they can be read without a network.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (
    "fortran/radml_torch/radml_torch.f90",
    "fortran/host/radml_guard.f90",
    "fortran/rrtmg/radml_rrtmg_longwave.f90",
    "fortran/rrtmg/radml_rrtmg_shortwave.f90",
    "fortran/rrtmg/radml_rrtmg_clouds.f90",
    "fortran/rrtmg/radml_rrtmg_subcolumns.f90",
    "fortran/rrtmg/radml_rrtmg_cloud_optics.f90",
    "fortran/rrtmg/radml_rrtmg_constants.f90",
    "fortran/rrtmg/radml_rrtmg_kinds.f90",
    "fortran/rrtmg/radml_rrtmg_status.f90",
)
PROJECT = """---
project: radml, Fortran modules
src_dir: {source}
output_dir: {output}
css: {style}
display: public
source: false
incl_src: false
graph: false
search: false
preprocess: false
print_creation_date: false
---

The public modules of radml. [Back to the documentation](../index.html), or to its [reference](../reference/fortran.html).
"""
STYLE = """
h1 { font-size: 1.7rem; } h2 { font-size: 1.35rem; } h3 { font-size: 1.1rem; } h4 { font-size: 1rem; }
h1, h2, h3, h4 { color: #303f9f; overflow-wrap: anywhere; }
a { color: #3949ab; }
.card-header.bg-primary h3, .card-header h3 > a, .bg-primary a { color: inherit; }
"""
BOOTSTRAP = {
    r"https://cdn\.jsdelivr\.net/npm/bootstrap@[\d.]+/dist/css/bootstrap\.min\.css": "css/bootstrap.min.css",
    r"https://cdn\.jsdelivr\.net/npm/bootstrap@[\d.]+/dist/js/bootstrap\.bundle\.min\.js": "js/bootstrap.bundle.min.js",
}
MATHJAX = re.compile(r"<script[^>]*>\s*MathJax\.Hub\.Config.*?</script>|<script[^>]*MathJax[^>]*>\s*</script>", re.DOTALL)
LINKED = re.compile(r"<(?:script|link|img)\b[^>]*\b(?:src|href)=\"(?:https?:)?//[^\"]*\"[^>]*>")


def run_ford(ford: Path, output: Path) -> None:
    """FORD's pages of the public modules, or SystemExit with its warnings."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        source.mkdir()
        for name in SOURCES:
            shutil.copy(ROOT / name, source)
        project = Path(folder) / "project.md"
        style = Path(folder) / "style.css"
        style.write_text(STYLE)
        project.write_text(PROJECT.format(source=source, output=output.resolve(), style=style))
        done = subprocess.run([ford, project], check=False, capture_output=True, text=True)
    printed = done.stdout + done.stderr
    if done.returncode or re.search(r"\b(?:warning|error)\b", printed, re.IGNORECASE):
        raise SystemExit(f"FORD:\n{printed}")


def serve_themselves(output: Path, mkdocs: Path) -> None:
    """Let the pages take Bootstrap from their own folder, and leave out the formulas that they do not have."""
    for name in BOOTSTRAP.values():
        shutil.copy(mkdocs / "themes" / "mkdocs" / name, output / name)
    for page in output.rglob("*.html"):
        here = "../" * (len(page.relative_to(output).parts) - 1)
        text = MATHJAX.sub("", page.read_text())
        for address, name in BOOTSTRAP.items():
            text = re.sub(address, f"{here}{name}", text)
        # A link to a file that has another checksum is not followed where one is given.
        text = re.sub(r'\s+(?:integrity|crossorigin)="[^"]*"', "", text)
        if elsewhere := LINKED.search(text):
            raise SystemExit(f"{page}: reads from elsewhere: {elsewhere.group()}")
        page.write_text(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the pages."""
    import mkdocs  # noqa: PLC0415 - the other functions do without

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ford", type=Path, required=True, help="the program ford")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "site" / "fortran", help="folder of the pages")
    given = parser.parse_args(arguments)
    run_ford(given.ford, given.output)
    serve_themselves(given.output, Path(mkdocs.__file__).parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
