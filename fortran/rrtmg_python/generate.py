"""The sources of ftorch_bridge._rrtmg from a Fortran module: what f90wrap and then f2py write, for CMake to compile.

Plain f2py, not f90wrap's own: that one takes over SIGINT and leaves Fortran by longjmp, which threads do not survive.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

KINDS = {"real": {"real64": "double"}, "integer": {"int8": "signed_char", "int64": "long_long"}}


def run(*command: str | Path) -> None:
    done = subprocess.run([sys.executable, *map(str, command)], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")


def generate(source: Path, module: str) -> None:
    """Write ``f90wrap_<source>`` and ``<module>module.c`` into the working folder."""
    Path("kinds").write_text(repr(KINDS))
    # Its Python module is left aside: it would have users install f90wrap.
    run("-m", "f90wrap", "--mod-name", f"{module}_unused", "--kind-map", "kinds", source)
    wrapper = Path(f"f90wrap_{source.name}")
    text = wrapper.read_text()
    routines = len(re.findall(r"^subroutine ", text, re.MULTILINE))
    # Python's lock is free during every call.
    text, marked = re.subn(r"^( *)use (?!,)\w+.*$", r"\g<0>\n\1!f2py threadsafe", text, flags=re.MULTILINE)
    if not routines or marked != routines:
        sys.exit(f"{wrapper}: expected a module used in each of the subroutines ({routines}), got {marked}; another f90wrap?")
    wrapper.write_text(text)
    run("-m", "numpy.f2py", "--lower", "-m", module, "--build-dir", ".", wrapper)
    for written in (wrapper, Path(f"{module}module.c")):
        if not written.is_file():
            sys.exit(f"{written}: was not written; another f2py?")


if __name__ == "__main__":
    generate(Path(sys.argv[1]), sys.argv[2])
