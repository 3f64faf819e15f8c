"""Every block of code in README.md and docs/*.md is run, compiled or read, so that no page tells what does not work.

Each page has a folder of its own that looks like a clone of the repository, with the commands on PATH; its blocks go through in
order. What becomes of a block follows from its language:

==============  ================================================================================================================
``sh``          run by bash; environment and folder stay from block to block
``console``     the lines after ``$`` are checked like those of blocks that are not run
``python``      run, all blocks of a page in one namespace
``fortran``     compiled by every compiler there is, warnings being errors. A program is also run. What is no program, module or
                procedure is a fragment: it goes into a procedure that uses ``radml_torch``, its declarations first. A line of
                ``...`` stands for the host's own code. What begins with ``&`` is a namelist, and read by radml-host
``cmake``       configured, as the project it is or with one around it
``make``        needs ``file:`` or ``not run:``
``json``        read; a manifest by the reader of manifests
``toml``        read as a recipe by the reader of recipes; a ``file:`` as any TOML
``text``, none  output, or a drawing: nothing is done
==============  ================================================================================================================

Comments directly before a block, which the built pages do not show, tell what it cannot tell itself. Several may stand there:

- ``<!-- not run: REASON -->``: takes more than 20 s, or needs root, the network, a GPU or another machine. Its commands are
  checked all the same: options and subcommands of ``ftorch-*`` and ``radml-*``, targets of make, classes, and files of the
  repository must be there. Fortran is compiled, unless it uses modules that are not radml's.
- ``<!-- file: NAME -->``: the block is the file NAME in the page's folder, for the blocks after it. Fortran is compiled too.
- ``<!-- before: COMMANDS -->``: for bash, run before the block: what the page takes for granted.
- ``<!-- declarations: LINES -->``: Fortran that a fragment needs before its own lines, ``use`` lines among it.
- ``<!-- expected output -->``: the block is what the last block that was run printed, as in the examples' READMEs: numbers may
  differ by one step of their last digit, and a line that ends with ``...`` by what comes after.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest
import typer
from ftorch_bridge import programs
from ftorch_bridge.exporting import Argument, Manifest
from ftorch_bridge.recipe import parse_recipe
from host_projects import BUILD, COMPILERS, ROOT, command
from test_examples import same_line

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LANGUAGES = {"sh", "console", "python", "fortran", "cmake", "make", "json", "toml", "text", ""}
SCRIPTS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
HOST_PROGRAMS = "\n".join(path.read_text() for path in (ROOT / "fortran").glob("*/*.f90"))
REPOSITORY = ("cmake", "cpp", "data", "docs", "examples", "fortran", "python", "recipes", "tests", "tools")
COMMENTS = ("not run", "file", "before", "declarations", "expected output")
# Modules that come with radml, and those that only compilers of their own have: flang has neither RRTMG's nor MPI's here.
MODULES = {"radml_torch", "radml_guard", "iso_fortran_env", "iso_c_binding", "ieee_arithmetic", "ieee_exceptions", "omp_lib"}
WITH_GFORTRAN = MODULES | {"radml_rrtmg_longwave", "radml_rrtmg_shortwave"}
FLAGS = {
    "gfortran": "-std=f2018 -fopenmp -Wall -Wextra -Werror -Wno-unused-variable -Wno-unused-parameter -Wno-compare-reals"
    " -Wno-uninitialized",
    "flang-new-19": "-Werror",
}
SOURCES = str(Path(programs.__file__).parents[1])
LONGEST = 120  # seconds that a block may take on a busy machine


class BlockError(Exception):
    """What is wrong with a block."""


@dataclass(frozen=True)
class Block:
    """A block of code of a page."""

    page: Path
    line: int
    """Of the first line of code, from 1."""
    language: str
    code: str
    comments: dict[str, str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT) if self.page.is_relative_to(ROOT) else self.page.name}:{self.line}"

    @property
    def name(self) -> str:
        return f"{self.page.stem}_{self.line}"

    @property
    def is_namelist(self) -> bool:
        return self.language == "fortran" and self.code.lstrip().startswith("&")

    @property
    def modules(self) -> set[str]:
        text = self.code + self.comments.get("declarations", "")
        return {name.lower() for name in re.findall(r"^\s*use\b(?:.*::)?\s*(\w+)", text, re.MULTILINE | re.IGNORECASE)}


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, each with the comments that stand directly before it."""
    found: list[Block] = []
    comments: dict[str, str] = {}
    lines = page.read_text().splitlines()
    i = 0
    while i < len(lines):
        if fence := re.match(r"(\s*)(```+)\s*([\w+-]*)", lines[i]):
            indent, ticks, language = fence.groups()
            first = i + 1
            i = next(k for k in range(first, len(lines)) if lines[k].strip() == ticks)
            code = "".join(f"{line.removeprefix(indent)}\n" for line in lines[first:i])
            found.append(Block(page, first + 1, language, code, comments))
            comments = {}
        elif lines[i].startswith("<!--"):
            last = next(k for k in range(i, len(lines)) if lines[k].rstrip().endswith("-->"))
            text = "\n".join(lines[i : last + 1]).removeprefix("<!--").rstrip().removesuffix("-->").strip("\n")
            kind, _, content = text.strip().partition(":")
            if kind.strip() in COMMENTS:
                comments = {**comments, kind.strip(): content.strip()}
            i = last
        else:
            assert not (comments and lines[i].strip()), (
                f"{page.name}:{i + 1}: a comment for a block ({', '.join(comments)}), and no block after it"
            )
        i += 1
    return found


# ---- commands that are not run ----


def simple_commands(code: str) -> Iterator[list[str]]:
    """The commands of a script as lists of words, those in $( ) too."""
    for line in code.replace("\\\n", " ").splitlines():
        for inner in re.findall(r"\$\(([^()]*)\)", line):
            yield from simple_commands(inner)
        lexer = shlex.shlex(re.sub(r"\$\([^()]*\)", "1", line), posix=True, punctuation_chars=";&|<>()")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in lexer:
            if set(word) <= set(";&|()"):
                yield words
                words = []
            elif word != "...":
                words.append("1" if re.fullmatch(r"\$\{?\w+\}?", word) else word)
        yield words


def check_program(words: list[str]) -> None:
    """A Fortran program of radml's with its options."""
    program = words[0].removeprefix("./").removesuffix("-real32").replace("-", "_")
    if not list((ROOT / "fortran").glob(f"*/{program}.f90")):
        raise BlockError(f"{words[0]}: no such program")
    for option in words[1:]:
        if option.startswith("--") and f"'{option}'" not in HOST_PROGRAMS:
            raise BlockError(f"{words[0]}: no program here has an option {option}")


def check_command(script: str, arguments: list[str]) -> None:
    """An installed command with its options."""
    module, _, app = SCRIPTS[script].partition(":")
    if app == "main":
        check_program([script, *arguments])
        return
    group: Any = typer.main.get_command(getattr(importlib.import_module(module), app))
    name = script
    if commands := getattr(group, "commands", None):
        if not arguments or arguments[0] not in commands:
            raise BlockError(f"{script} has no command {arguments[:1]}: it has {', '.join(commands)}")
        name, *arguments = arguments
        group = commands[name]
    redirected = next((i for i, word in enumerate(arguments) if set(word) <= set("<>")), len(arguments))
    try:
        group.make_context(name, arguments[:redirected])
    except Exception as error:
        raise BlockError(f"{script} {name}: {getattr(error, 'message', error) or type(error).__name__}") from error


def check_name(word: str) -> None:
    """A word that may name a class, or a file of the repository."""
    source = re.fullmatch(r"(ftorch_bridge[\w.]*):(\w+)", word)
    if source and not hasattr(importlib.import_module(source[1]), source[2]):
        raise BlockError(f"{word}: no such class")
    if "/" in word and word.partition("/")[0] in REPOSITORY and not (ROOT / word).exists():
        raise BlockError(f"{word}: no such file in the repository")


def check_words(words: list[str]) -> None:
    """One command: its options, targets and files are there."""
    for i, word in enumerate(words):
        script = word if word in SCRIPTS else next((s for s, app in SCRIPTS.items() if app == f"{word}:app"), None)
        if script:
            check_command(script, words[i + 1 :])
        elif re.fullmatch(r"ftorch-\w+", word):
            raise BlockError(f"{word}: no such command")
        elif re.fullmatch(r"(\./)?radml-[\w-]+", word):
            check_program(words[i:])
        else:
            check_name(word)
    missing = [word for word in words[1:] if re.fullmatch(r"[a-z][\w-]*", word) and word not in TARGETS]
    if words[:1] == ["make"] and missing:
        raise BlockError(f"make {missing[0]}: no such target")
    if words[:2] == ["ftorch-bridge", "data-file"] and not (ROOT / "data" / words[2]).is_file():
        raise BlockError(f"{words[2]}: no such data file")


def missing_tools(code: str) -> list[str]:
    """What a machine may lack, as the other tests say too, of what these commands need."""
    return [tool for tool in ("mpirun", "pkg-config") if tool in code.split() and not shutil.which(tool)]


def check_commands(code: str) -> None:
    for words in simple_commands(code):
        check_words(words)


# ---- Fortran ----

UNIT = re.compile(
    r"^\s*(program|module|submodule|((pure|elemental|impure|recursive|logical|real|integer)[\w() ]*\s)?"
    r"(subroutine|function))\b",
    re.I,
)
SPECIFICATION = re.compile(
    r"^\s*(implicit\b|(integer|real|complex|logical|character|double\s+precision|type|class)\b[^!'\"]*::)", re.I
)
DEFINITION = re.compile(r"^\s*type\b(?!\s*\()", re.I)


def first_code(code: str) -> str:
    return next((line for line in code.splitlines() if line.strip() and not line.lstrip().startswith("!")), "")


def is_program(block: Block) -> bool:
    return block.language == "fortran" and first_code(block.code).split()[:1] == ["program"]


def parts_of_a_fragment(code: str, first: int, page: str) -> tuple[list[str], list[str], list[str]]:
    """The lines of ``use``, of declarations and of statements, each statement after a line that says where it comes from."""
    uses: list[str] = []
    declarations: list[str] = []
    statements: list[str] = []
    goes_on: list[str] | None = None
    in_definition = False
    for number, line in enumerate(code.splitlines(), first):
        bare = line.partition("!")[0].rstrip()
        if bare.strip() == "...":
            continue
        if goes_on is not None:
            part = goes_on
        elif in_definition or SPECIFICATION.match(line) or DEFINITION.match(line):
            part = declarations
            in_definition = (in_definition or bool(DEFINITION.match(line))) and not re.match(r"\s*end\s*type", line, re.I)
        else:
            part = uses if re.match(r"\s*use\b", line, re.I) else statements
        if goes_on is None:
            part.append(f'# {number} "{page}"')
        part.append(line)
        goes_on = part if bare.endswith("&") else None
    return uses, declarations, statements


def fortran_source(block: Block) -> str:
    """A block as a file that can be compiled. Messages of gfortran name the page and its line."""
    where = str(block.page)
    if UNIT.match(first_code(block.code)):
        return f'# {block.line} "{where}"\n{block.code}'
    given = parts_of_a_fragment(block.comments.get("declarations", ""), 1, f"{where}: declarations before {block.line}")
    own = parts_of_a_fragment(block.code, block.line, where)
    kinds = "int8, int16, int32, int64, real32, real64, output_unit, error_unit"
    lines = ["subroutine fragment()", f"use, intrinsic :: iso_fortran_env, only: {kinds}"]
    if "radml_torch" not in block.modules:
        lines.append("use radml_torch")
    lines += [*given[0], *own[0], "implicit none", *given[1], *own[1], *given[2], *own[2], "end subroutine fragment"]
    return "\n".join(lines) + "\n"


def fortran_blocks(page: Path) -> list[Block]:
    return [block for block in blocks_of(page) if block.language == "fortran" and not block.is_namelist]


def compiles(block: Block, compiler: str) -> bool:
    """Whether this is for the compiler, and not for the page's own commands alone, as is what uses MPI."""
    return block.modules <= (WITH_GFORTRAN if compiler == "gfortran" else MODULES - {"omp_lib"})


@dataclass(frozen=True)
class Compiled:
    """The Fortran of all pages, compiled by one compiler."""

    folder: Path
    messages: dict[str, str]
    """What the compiler said of blocks that it refused, by their names."""


def compile_pages(pages: list[Path], compiler: str, folder: Path) -> Compiled:
    """One project for all pages: radml's own modules are compiled once."""
    rrtmg = compiler == "gfortran"
    libraries = "radml::radml_torch radml::radml_guard" + (" radml::rrtmg" if rrtmg else "")
    lines = [
        "cmake_minimum_required(VERSION 3.25)",
        "project(pages LANGUAGES Fortran)",
        f"find_package(radml REQUIRED{' COMPONENTS rrtmg' if rrtmg else ''})",
    ]
    blocks = [block for page in pages for block in fortran_blocks(page) if compiles(block, compiler)]
    folder.mkdir(parents=True)
    for block in blocks:
        (folder / f"{block.name}.f90").write_text(fortran_source(block))
        lines.append(f"add_executable({block.name}" if is_program(block) else f"add_library({block.name} OBJECT")
        lines[-1] += f" {block.name}.f90)"
        lines.append(f"target_link_libraries({block.name} PRIVATE {libraries})")
        lines.append(f"target_compile_options({block.name} PRIVATE {FLAGS[compiler]})")
        lines.append(f"set_target_properties({block.name} PROPERTIES Fortran_MODULE_DIRECTORY modules/{block.name})")
        if "-fopenmp" in FLAGS[compiler]:
            lines.append(f"target_link_options({block.name} PRIVATE -fopenmp)")
    (folder / "CMakeLists.txt").write_text("\n".join(lines) + "\n")
    options = [f"-DCMAKE_PREFIX_PATH={BUILD}", f"-DCMAKE_Fortran_COMPILER={compiler}", "-DCMAKE_BUILD_TYPE=Debug"]
    command("cmake", "-S", folder, "-B", folder / "build", "-G", "Ninja", *options)
    done = subprocess.run(
        ["ninja", "-k", "0", "-C", folder / "build"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
    )
    messages: dict[str, str] = {}
    for failed in done.stdout.split("FAILED: ")[1:]:
        name = re.match(r"(?:CMakeFiles/)?(\w+)", failed)
        messages[name[1] if name else ""] = f"{compiler}: {failed.partition(chr(10))[2].partition('[')[0][:3000]}"
    assert done.returncode == 0 or messages, done.stdout + done.stderr
    assert set(messages) <= {block.name for block in blocks}, done.stdout
    return Compiled(folder / "build", messages)


# ---- running a page ----


def finish(arguments: list[str | Path], folder: Path, environment: dict[str, str]) -> tuple[int, str, str]:
    """Exit code, output and messages of a command; what takes too long is ended with all that it started."""
    options: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, "text": True}
    process = subprocess.Popen(arguments, cwd=folder, env=environment, start_new_session=True, **options)
    try:
        out, messages = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, messages = process.communicate()
        messages += f"\nended after {LONGEST} s"
    return process.returncode, out, messages


def succeed(arguments: list[str | Path], folder: Path, environment: dict[str, str]) -> str:
    code, out, messages = finish(arguments, folder, environment)
    if code != 0:
        raise BlockError(f"exit code {code}\n{out[-2000:]}\n{messages[-4000:]}")
    return out


PYTHON = """
import contextlib, io, json, sys, traceback
namespace = {"__name__": "__main__"}
for line in sys.stdin:
    code, first, page = json.loads(line)
    printed, problem = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile("\\n" * (first - 1) + code, page, "exec"), namespace)
        except BaseException:
            problem = traceback.format_exc()
    print(json.dumps([printed.getvalue(), problem]), flush=True)
"""


class Python:
    """A process of Python that runs the blocks of one page in one namespace."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        options: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": folder, "env": environment}
        self.process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", PYTHON], **options)

    def run(self, block: Block) -> str:
        to: IO[str] | None = self.process.stdin
        back: IO[str] | None = self.process.stdout
        assert to is not None and back is not None
        to.write(json.dumps([block.code, block.line, str(block.page)]) + "\n")
        to.flush()
        printed, problem = json.loads(back.readline())
        if problem:
            raise BlockError(problem)
        return str(printed)

    def close(self) -> None:
        self.process.communicate()


@functools.cache
def repository_files() -> list[str]:
    """What a clone has, with new files; without git everything but what is built."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    if names := subprocess.run(listing, cwd=ROOT, check=False, capture_output=True, text=True).stdout.splitlines():
        return [name for name in names if (ROOT / name).is_file()]
    built = {".venv", "build", "demo", "dist"}
    files = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return [str(path) for path in files if path.parts[0] not in built]


class Page:
    """Runs the blocks of one page, in its folder."""

    def __init__(self, folder: Path, environment: dict[str, str], compiled: dict[str, Compiled]) -> None:
        self.root, self.folder, self.environment, self.compiled = folder, folder / "clone", environment, compiled
        self.printed: list[str] = []
        """What the last block printed, by each compiler's program."""
        self.python: Python | None = None
        self.folder.mkdir(parents=True)
        # Copies, as blocks may write to any of them.
        for path in repository_files():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, self.folder / path)

    def bash(self, code: str) -> str:
        state, folder, script = (self.root / name for name in ("environment", "folder", "script"))
        before = f'. "{state}"; cd "$(cat "{folder}")"\n' if state.exists() else ""
        script.write_text(f'{before}set -e\n{code}\nexport -p > "{state}"; pwd > "{folder}"\n')
        return succeed(["bash", script], self.folder, self.environment)

    def program(self, block: Block) -> list[str]:
        printed: list[str] = []
        for compiler, compiled in self.compiled.items():
            if not compiles(block, compiler):
                continue
            if message := compiled.messages.get(block.name):
                raise BlockError(message)
            printed.append(succeed([compiled.folder / block.name], self.folder, self.environment))
        return printed

    def namelist(self, block: Block) -> None:
        """radml-host reads all keys, and stops at the first file, which is none."""
        folder = self.root / block.name
        folder.mkdir()
        (folder / "case.nml").write_text(block.code)
        for name in re.findall(r"^\s*(?:columns|model|start_from)\s*=\s*'(.*)'", block.code, re.MULTILINE):
            (folder / name).touch()
        code, out, messages = finish(["radml-host", "case.nml"], folder, self.environment)
        if code == 0 or not re.search(r"NetCDF", messages):
            raise BlockError(messages or f"radml-host ran:\n{out}")

    def cmake(self, block: Block) -> None:
        folder = self.root / block.name
        folder.mkdir()
        code = block.code
        if "add_executable" not in code:
            code = f"add_executable(my_model my_model.f90)\n{code}"
        if "project(" not in code:
            code = f"cmake_minimum_required(VERSION 3.25)\nproject(my_model LANGUAGES Fortran)\n{code}"
        (folder / "CMakeLists.txt").write_text(code)
        for model in self.folder.glob("*.pt"):
            (folder / model.name).symlink_to(model)
        (folder / "my_model.f90").write_text("program my_model\nend program my_model\n")
        options: list[str | Path] = [f"-DCMAKE_PREFIX_PATH={BUILD}", f"-DCMAKE_Fortran_COMPILER={COMPILERS[0]}"]
        succeed(["cmake", "-S", folder, "-B", folder / "build", "-G", "Ninja", *options], folder, self.environment)

    def output(self, block: Block) -> None:
        if not self.printed:
            raise BlockError("nothing was run whose output this could be")
        for printed in self.printed:
            expected, got = block.code.splitlines(), printed.splitlines()
            same = len(expected) == len(got) and all(same_line(a, b) for a, b in zip(expected, got, strict=True))
            if not same:
                raise BlockError(f"the page shows\n{block.code}\nprinted was\n{printed}")

    def prepare(self, block: Block) -> bool:
        """What comes before any block; whether it is to be run then."""
        if block.language not in LANGUAGES:
            raise BlockError(f"language {block.language!r}: tests/test_documentation.py does not know what to do with it")
        if block.comments.get("not run") == "":
            raise BlockError("not run: expected a reason")
        if "before" in block.comments:
            self.bash(block.comments["before"])
        if name := block.comments.get("file"):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(block.code)
        foreign = block.modules - WITH_GFORTRAN if block.language == "fortran" else set()
        if foreign and not {"file", "not run"} & set(block.comments):
            raise BlockError(f"uses {', '.join(sorted(foreign))}, which radml does not have: needs a comment, file or not run")
        for compiled in self.compiled.values():
            if message := compiled.messages.get(block.name):
                raise BlockError(message)
        return "not run" not in block.comments and "file" not in block.comments

    def check(self, block: Block) -> None:
        """What is checked of a block whether it is run or not."""
        if block.language == "sh":
            check_commands(block.code)
        elif block.language == "console":
            check_commands("".join(f"{line[2:]}\n" for line in block.code.splitlines() if line.startswith("$ ")))
        elif block.language == "python":
            compile(block.code, block.where, "exec")
        elif block.language == "json":
            if "inputs" in (described := json.loads(block.code)):
                manifest = Manifest.from_json(described)
                for argument in (*manifest.inputs, *manifest.outputs):
                    Argument.parse(f"{argument.name}:{argument.kind}[{','.join(map(str, argument.shape))}]")
        elif block.language == "toml" and "file" in block.comments:
            tomllib.loads(block.code)
        elif block.language == "toml":
            parse_recipe(block.code, block.where)
        elif block.is_namelist:
            self.namelist(block)
        elif "expected output" in block.comments:
            self.output(block)

    def step(self, block: Block) -> None:
        """One block."""
        run = self.prepare(block)
        self.check(block)
        if not run:
            return
        if block.language == "sh":
            if not missing_tools(block.code):
                self.printed = [self.bash(block.code)]
        elif block.language == "python":
            self.python = self.python or Python(self.folder, self.environment)
            self.printed = [self.python.run(block)]
        elif is_program(block):
            self.printed = self.program(block)
        elif block.language == "cmake":
            self.cmake(block)
        elif block.language == "make":
            raise BlockError("make: needs a comment that names its file, or tells why it is not run")

    def run(self, blocks: list[Block]) -> list[str]:
        """What is wrong; after a block that cannot be run the rest of the page is not tried."""
        problems = []
        try:
            for block in blocks:
                try:
                    self.step(block)
                except (BlockError, ValueError, SyntaxError) as error:
                    problems.append(f"{block.where}: {error}")
                    if block.language in ("sh", "python") and not {"file", "not run"} & set(block.comments):
                        break
        finally:
            if self.python:
                self.python.close()
        return problems


# ---- the tests ----


def page_environment(folder: Path) -> dict[str, str]:
    """The environment of a user who has radml installed: commands from these sources, programs from the installed prefix."""
    commands = folder / "bin"
    commands.mkdir()
    texts = {"python": f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'}  # a link would not find the virtual environment's packages
    for name, app in SCRIPTS.items():
        module, _, function = app.partition(":")
        path = "import sys, warnings", f"sys.path.append({SOURCES!r})", "warnings.simplefilter('ignore')"
        texts[name] = "\n".join([f"#!{sys.executable}", *path, f"from {module} import {function}", f"{function}()\n"])
    for name, text in texts.items():
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    prefix = programs.prefix()
    if not (prefix / "bin" / "radml-host").is_file():
        prefix = folder / "prefix"
        command("cmake", "--install", BUILD, "--prefix", prefix)
    return {
        **os.environ,
        "PATH": f"{commands}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([SOURCES, os.environ.get("PYTHONPATH", "")]),
        "RADML_PREFIX": str(prefix),
        "OMP_NUM_THREADS": "1",
        # A user is not root and has the cores.
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
        "COLUMNS": "160",
    }


def fenced(language: str, code: str, *comments: str) -> str:
    return "\n".join([*(f"<!-- {comment} -->" for comment in comments), f"```{language}", code, "```", ""])


# Blocks with a fault each, and a part of what must be said of them.
BROKEN = [
    (fenced("text", "3.5 K", "expected output"), "nothing was run"),
    (fenced("fortran", "program right\n  print '(a)', '3.5 K'\nend program right"), ""),
    (fenced("text", "3.5 K", "expected output"), ""),
    (fenced("text", "3.7 K", "expected output"), "the page shows"),
    (fenced("perl", "print 1"), "does not know what to do"),
    (fenced("fortran", "call net%forwards([torch_in(t)], [torch_out(t)])", "declarations:\ntype(torch_model) :: net\nreal :: t(3)"), "forwards"),  # noqa: E501
    (fenced("fortran", "integer :: i\ni = n"), "n"),
    (fenced("fortran", "program wrong\n  error stop 'wrong'\nend program wrong"), "exit code"),
    (fenced("fortran", "use mo_physics\ncall run()"), "mo_physics"),
    (fenced("fortran", "&host\n  columns = 'c.nc'\n  history = 'h.nc'\n  schema = 'rrtmg'\n/"), 'unknown key "schema"'),
    (fenced("fortran", "&host\n  columns = 'c.nc'\n  history = 'h.nc'\n  scheme = 'rrtm'\n/"), '"scheme"'),
    (fenced("cmake", "find_package(radml REQUIRED)\ntarget_link_libraries(my_model PRIVATE radml::torch)"), "radml::torch"),
    (fenced("make", "a:"), "needs a comment"),
    (fenced("json", '{"radml": 1,}'), "double quotes"),
    (fenced("json", '{"radml": 1, "name": "a", "inputs": [{"name": "x", "kind": "real8", "shape": []}], "outputs": []}'), "real8"),  # noqa: E501
    (fenced("toml", "[training]\nstep = 3"), "broken.md"),
    (fenced("sh", "make everything", "not run: a reason"), "everything"),
    (fenced("sh", "true", "not run:"), "expected a reason"),
    (fenced("sh", "mpirun -n 2 ftorch-train columns --numbers 3 -o c.nc", "not run: a reason"), "--numbers"),
    (fenced("sh", "ftorch-train column --number 3 -o c.nc", "not run: a reason"), "no command"),
    (fenced("sh", "ftorch-trains columns", "not run: a reason"), "ftorch-trains"),
    (fenced("sh", "a | ftorch-train columns --number many -o c.nc", "not run: a reason"), "valid integer"),
    (fenced("sh", "torchrun -m ftorch_bridge.cli.train recipe a.toml", "not run: a reason"), "recipe"),
    (fenced("sh", "ftorch-export ftorch_bridge.networks:ResNet -o a.pt", "not run: a reason"), "no such class"),
    (fenced("sh", "ftorch-export a:B --weights $(ftorch-bridge data-file a.nc) -o a.pt", "not run: a reason"), "no such data file"),  # noqa: E501
    (fenced("sh", "examples/train.py x", "not run: a reason"), "examples/train.py"),
    (fenced("sh", "radml-bench-radiation c.nc a.pt r.nc --repeat 3", "not run: a reason"), "--repeat"),
    (fenced("sh", "./radml-hosts case.nml", "not run: a reason"), "no such program"),
    (fenced("console", "$ ftorch-bridge doctors\nok"), "doctors"),
    (fenced("python", "n = 3\nassert n == 3"), ""),
    (fenced("sh", "export N=3; mkdir folder; cd folder"), ""),
    (fenced("sh", "test $N = 3; pwd | grep -q /folder$"), ""),
    (fenced("python", "m = n +", "file: a.py"), "invalid syntax"),
    (fenced("python", "assert n == 4"), "assert n == 4"),
]  # fmt: skip


@pytest.fixture(scope="module")  # whose threads do not outlive it
def problems(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Path, Future[list[str]]]]:
    """What is wrong with each page that is asked for. All are compiled together, and as many run at once as there are cores."""
    folder = tmp_path_factory.mktemp("documentation")
    broken = folder / "broken.md"
    broken.write_text("\n".join(text for text, _ in BROKEN))
    items = [item for item in request.session.items if hasattr(item, "callspec")]
    asked = {item.callspec.params["page"] for item in items if "problems" in item.fixturenames and "page" in item.fixturenames}
    pages = [broken, *sorted(asked)]
    environment = page_environment(folder)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        compilations = {name: pool.submit(compile_pages, pages, name, folder / name) for name in COMPILERS}
        compiled = {name: compilation.result() for name, compilation in compilations.items()}
        # Those with most to run first.
        pages.sort(key=lambda page: -sum(len(block.code) for block in blocks_of(page) if block.language in ("sh", "python")))
        yield {page: pool.submit(Page(folder / page.stem, environment, compiled).run, blocks_of(page)) for page in pages}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_a_page_does_what_the_page_says(page: Path, problems: dict[Path, Future[list[str]]]) -> None:
    found = problems[page].result()
    assert not found, "\n\n".join(found)


def test_a_fault_in_a_block_is_found_and_told_with_page_and_line(problems: dict[Path, Future[list[str]]]) -> None:
    page = next(page for page in problems if page.name == "broken.md")
    found = {text.partition(": ")[0]: text for text in problems[page].result()}
    faulty = {block.where: part for block, (_, part) in zip(blocks_of(page), BROKEN, strict=True) if part}
    assert list(found) == list(faulty)
    for where, part in faulty.items():
        assert part in found[where], found[where]
