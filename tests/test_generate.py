"""ftorch-generate: the module compiles in silence, calls the model right, and lets no wrong call be compiled."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ftorch_bridge.cli.generate import app
from ftorch_bridge.exporting import Argument, Manifest, describe, export
from ftorch_bridge.generating import FortranModule, GenerateError, HostKind, fortran_name
from host_projects import ROOT, command, configure
from torch import Tensor, nn
from typer.testing import CliRunner

runner = CliRunner()
HOST = ROOT / "tests" / "generate"
WARNINGS = {
    "gfortran": ["-std=f2018", "-Wall", "-Wextra", "-Wimplicit-interface", "-fimplicit-none", "-Werror"],
    "flang-new-19": ["-std=f2018", "-pedantic", "-Werror"],
}
INPUTS = ["t:float32[column,layer]:K", "ps:float64[column]:Pa", "land:bool[column]", "month:int32[]:1"]
OUTPUTS = ["flux:float32[column,layer+1]:W m-2", "total:float64[]:W m-2"]


def turned(text: str) -> str:
    """An argument with the names of the two dimensions exchanged."""
    return text.replace("column", "?").replace("layer", "column").replace("?", "layer")


class Air(nn.Module):
    """Every kind of argument that a column model has: real of two kinds, a mask, an integer, a scalar out."""

    def forward(self, t: Tensor, ps: Tensor, land: Tensor, month: Tensor) -> tuple[Tensor, Tensor]:
        flux = torch.cat([t, (t.sum(1) + ps.float() * land)[:, None]], dim=1) + month
        return flux, flux.double().sum()


def manifest_of(inputs: list[str], outputs: list[str], name: str = "air") -> Manifest:
    return describe(nn.Identity(), name, "float64", inputs, outputs, {})


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model, others (an input's name, dimensions the other way round, an input less), and one without manifest."""
    folder = tmp_path_factory.mktemp("generate")
    torch.manual_seed(0)

    class Order(nn.Module):
        def forward(self, t: Tensor, surface_pressure: Tensor, land: Tensor, month: Tensor) -> tuple[Tensor, Tensor]:
            return torch.cat([t, t[:, :1]], dim=1), t.double().sum()

    class Fewer(nn.Module):
        def forward(self, t: Tensor) -> tuple[Tensor, Tensor]:
            return torch.cat([t, t[:, :1]], dim=1), t.double().sum()

    other = [INPUTS[0], INPUTS[1].replace("ps", "surface_pressure"), *INPUTS[2:]]
    for name, module, inputs in (("air", Air(), INPUTS), ("order", Order(), other), ("fewer", Fewer(), INPUTS[:1])):
        # Traced, as TorchScript cannot read the source of a class within a function.
        example = [torch.ones(3, 2), torch.ones(3, dtype=torch.float64), torch.ones(3, dtype=torch.bool), torch.tensor(1)]
        traced = torch.jit.trace(module.eval(), tuple(example[: len(inputs)]), check_trace=False)
        export(traced, manifest_of(inputs, OUTPUTS, name), folder / f"{name}.pt", columns=None)
        if name == "air":
            traced.save(folder / "bare.pt")
            manifest = manifest_of([*map(turned, INPUTS)], [*map(turned, OUTPUTS)], "turned")
            export(traced, manifest, folder / "turned.pt", columns=None)
    return folder


def invoke(*arguments: object) -> object:
    return runner.invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def generate_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ftorch-generate of this Python as a program, wherever the package comes from."""
    path = tmp_path_factory.mktemp("bin") / "ftorch-generate"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -W ignore -m ftorch_bridge.cli.generate "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def host(models: Path, prefix: Path, compiler: str, generate_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The host of tests/generate, built."""
    source = tmp_path_factory.mktemp("host") / "source"
    shutil.copytree(HOST, source)
    for model in models.glob("*.pt"):
        shutil.copy(model, source)
    configure(
        source, source / "build", f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_Fortran_COMPILER={compiler}",
        f"-DRADML_GENERATE={generate_program}",
    )  # fmt: skip
    command("cmake", "--build", source / "build")
    return source


def test_a_host_calls_the_model_in_every_kind_through_generated_modules(host: Path) -> None:
    done = subprocess.run([host / "build" / "typed_calls"], cwd=host, check=False, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    t = torch.arange(1, 71)[:, None] + 0.25 * torch.arange(1, 4)[None, :]
    ps = 0.5 * torch.arange(1, 71, dtype=torch.float64)
    flux, total = Air()(t, ps, torch.arange(1, 71) % 2 == 0, torch.tensor(7, dtype=torch.int32))
    expected = [float(flux.double().sum()), float(flux[-1, -1]), float(total)]
    shown = {
        line[:6].strip(): [float(text) for text in line[6:].split()] for line in lines if "." in line[-6:] and line[0].isalpha()
    }
    assert [*shown] == ["model", "plan", "real32", "real64", "layers", "host", "bound"], done.stdout + done.stderr
    for what, numbers in shown.items():
        assert numbers == pytest.approx(expected, rel=1e-6), what
    rest = [line for line in lines if line[:6].strip() not in shown]
    assert 'output 2 "total"' in rest[0]
    assert rest[1].startswith('9 air.pt: output 1 "flux": expected (column=70,layer+1=3) float32, got (70,4) float32')
    words = "it is not the model that module air_torch was generated for: run ftorch-generate on this file"
    other = f"order.pt: has input surface_pressure:float64[column] in place of ps:float64[column]; {words}"
    assert rest[2] == f"2 {other}"
    assert rest[3] == f"2 turned.pt: has input t:float32[layer,column] in place of t:float32[column,layer]; {words}"
    assert rest[4] == f"2 bare.pt: has no manifest (ftorch-export writes one); {words}"
    assert rest[5] == f"2 fewer.pt: has other numbers of inputs or outputs; {words}"
    assert rest[6] == "1 absent.pt: no such file"
    assert "went on" not in done.stdout
    assert done.returncode != 0
    assert f"radml: {other}" in done.stderr.splitlines()


def test_the_module_is_made_anew_when_the_model_has_changed(host: Path, models: Path) -> None:
    source = host / "build" / "air_files" / "air_torch.f90"
    assert command("cmake", "--build", host / "build").count("Generating") == 0
    before = source.read_text()
    module = Air()
    inputs = [INPUTS[0].replace(":K", ":degC"), *INPUTS[1:]]
    export(torch.jit.script(module.eval()), manifest_of(inputs, OUTPUTS), host / "air.pt", columns=None)
    try:
        assert "Generating the Fortran module air_torch" in command("cmake", "--build", host / "build")
        assert source.read_text() == before.replace("[K] (column, layer)", "[degC] (column, layer)")
    finally:
        shutil.copy(models / "air.pt", host / "air.pt")


CALL = """program call_it
  use, intrinsic :: iso_c_binding, only: c_bool
  use, intrinsic :: iso_fortran_env, only: int32, real32, real64
  use air_torch, only: air
  use radml_torch, only: torch_model
  implicit none
  type(torch_model) :: net
  real(real32), target :: t(2, 3), flux(2, 4)
  real(real64), target :: ps(2), total
  logical(c_bool), target :: land(2)
  integer(int32), target :: month
  real(real32), parameter :: constant(2, 4) = 0.0_real32
  call air({})
end program call_it
"""


@pytest.mark.parametrize(
    ("arguments", "compiles"),
    [
        ("net, t, ps, land, month, flux, total", True),
        ("net, month=month, t=t, land=land, ps=ps, flux=flux, total=total", True),
        ("net, t, ps, land, month, total, flux", False),  # order
        ("net, t, ps, land, month, flux", False),  # number
        ("net, t(:, 1), ps, land, month, flux, total", False),  # rank
        ("net, t, t(:, 1), land, month, flux, total", False),  # kind
        ("net, ps, t, land, month, flux, total", False),
        ("net, t, ps, land, month, constant, total", False),  # a constant as an output
        ("net, temperature=t, ps=ps, land=land, month=month, flux=flux, total=total", False),  # a name that is none
    ],
)
def test_a_wrong_call_does_not_compile(generated: Path, compiler: str, arguments: str, compiles: bool, tmp_path: Path) -> None:
    (tmp_path / "call_it.f90").write_text(CALL.format(arguments))
    done = subprocess.run(
        [compiler, "-fsyntax-only", f"-I{generated}", "call_it.f90"], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert (done.returncode == 0) == compiles, done.stderr


@pytest.fixture(scope="module")
def generated(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the compiled modules radml_torch and air_torch."""
    folder = tmp_path_factory.mktemp("modules")
    module = FortranModule.of(manifest_of(INPUTS, OUTPUTS), module="air_torch", procedure="air")
    (folder / "air_torch.f90").write_text(module.text())
    command(compiler, "-c", ROOT / "fortran" / "radml_torch" / "radml_torch.f90", cwd=folder)
    command(compiler, *WARNINGS[compiler], "-c", "air_torch.f90", cwd=folder)
    return folder


AWKWARD = Manifest(
    'no. 7: it\'s a "model" with ü and ' + "long " * 30,
    (
        Argument("T", "float32", ("n", 5)),
        Argument("t", "float64", ("n",), "K\n" + "kg m-2 " * 40),  # the same name to Fortran
        Argument("net", "float32", ()),
        Argument("2m_temperature", "float32", ("n",)),
        Argument("_q_", "int8", ("n",)),
        Argument("x-y z", "complex64", ("n",)),
        Argument("it's", "complex128", ("n",), "1"),
        Argument("température", "int64", ("n",)),
        Argument("real32", "int16", ("n", "m+1", 3)),
        Argument("a" * 250, "bool", ()),
        Argument("torch_in", "float64", ("n",)),
        Argument("awkward_load", "float64", ("n",)),
    ),
    (Argument("stat", "float32", ("n",)), Argument("b" * 63, "float64", tuple("abcdefghijklmno"))),
)


@pytest.mark.parametrize("kind", ["model", "real32", "real64", "host_kinds:wp"])
@pytest.mark.parametrize("what", ["awkward", "no_inputs", "many"])
def test_any_manifest_gives_a_module_that_compiles_in_silence(
    generated: Path, compiler: str, kind: str, what: str, tmp_path: Path
) -> None:
    manifest = {
        "awkward": AWKWARD,
        "no_inputs": replace(AWKWARD, inputs=()),
        "many": manifest_of([f"x{i}:float64[n]" for i in range(200)], ["y:float64[n]"]),
    }[what]
    module = FortranModule.of(manifest, module="awkward_torch", procedure="awkward", kind=HostKind.parse(kind), columns=None)
    (tmp_path / "awkward_torch.f90").write_text(module.text())
    command(compiler, "-c", HOST / "host_kinds.f90", cwd=tmp_path)
    for level in ("-O0", "-O2"):
        command(compiler, level, *WARNINGS[compiler], f"-I{generated}", "-c", "awkward_torch.f90", cwd=tmp_path)
    code = [line.partition(" !! ")[0] for line in module.text().splitlines() if not line.lstrip().startswith("!>")]
    assert max(len(line) for line in code) <= 132


def test_the_same_manifest_gives_the_same_bytes(models: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        result = invoke(models / "air.pt", "-o", tmp_path / name / "air_torch.f90")
        assert result.exit_code == 0, result.output
    first, second = ((tmp_path / name / "air_torch.f90").read_bytes() for name in ("first", "second"))
    assert first == second
    assert invoke(models / "air.pt", "--module", "air_torch", "-o", "-").stdout.encode() == first


def test_names_follow_from_the_file_or_the_model(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "air_torch.f90: module air_torch with air, air_plan and air_load" in invoke(models / "air.pt").output
    assert "sky_torch.f90: module sky_torch with sky, sky_plan" in invoke(models / "air.pt", "--procedure", "sky").output
    assert "calls.f90: module calls with air, air_plan" in invoke(models / "air.pt", "-o", "calls.f90").output
    assert sorted(p.name for p in tmp_path.iterdir()) == ["air_torch.f90", "calls.f90", "sky_torch.f90"]


@pytest.mark.parametrize(
    ("text", "taken", "name"),
    [
        ("q", [], "q"),
        ("Q", ["q"], "Q_2"),
        ("2m_temperature", [], "x_2m_temperature"),
        ("_", [], "x"),
        ("a-b c", [], "a_b_c"),
        ("a" * 70, [], "a" * 63),
        ("a" * 70, ["a" * 63], "a" * 61 + "_2"),
    ],
)
def test_any_name_becomes_a_fortran_name_of_its_own(text: str, taken: list[str], name: str) -> None:
    assert fortran_name(text, taken) == name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--kind", "real16"], "--kind real16: expected model, real32, real64 or a module's constant as in my_kinds:wp"),
        (["--columns", "row"], "--columns row: the first output, 'flux', has dimensions (column, layer+1)"),
        (["--columns", "layer"], "--columns layer: the first output"),
        (["--procedure", "2air"], "procedure '2air': expected a Fortran name"),
        (["--procedure", "a" * 59], "expected a Fortran name of at most 58"),
        (["--module", "Air", "--procedure", "air"], "module 'Air' and its procedure 'air' have one name"),
    ],
)
def test_what_cannot_be_written_is_told_in_one_line(models: Path, tmp_path: Path, arguments: list[str], words: str) -> None:
    output = tmp_path / "air_torch.f90"
    result = invoke(models / "air.pt", *arguments, "-o", output)
    assert result.exit_code == 1
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("ftorch-generate: ")
    assert words in lines[0]
    assert not output.exists()


def test_a_folder_that_is_not_there_is_told(models: Path, tmp_path: Path) -> None:
    result = invoke(models / "air.pt", "-o", tmp_path / "nowhere" / "air_torch.f90")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"ftorch-generate: {tmp_path}/nowhere/air_torch.f90: no such folder: {tmp_path}/nowhere;")
    assert not (tmp_path / "nowhere").exists()


def test_a_file_without_a_manifest_is_told(tmp_path: Path) -> None:
    torch.jit.script(Air().eval()).save(tmp_path / "script.pt")
    result = invoke(tmp_path / "script.pt")
    assert result.exit_code == 1
    assert "script.pt: a file without a manifest: weights, or a model that ftorch-export did not write" in result.stderr


def test_a_model_of_more_arrays_than_a_statement_holds_is_refused() -> None:
    manifest = manifest_of([f"x{i}:float64[n]" for i in range(300)], ["y:float64[n]"])
    with pytest.raises(GenerateError, match="more arrays than the 255 lines"):
        FortranModule.of(manifest, module="m", procedure="p")


def test_blocks_are_offered_where_the_first_output_has_columns() -> None:
    def options(outputs: list[str], columns: str | None = None) -> str:
        module = FortranModule.of(manifest_of(["x:float64[n]"], outputs), module="m", procedure="p", columns=columns)
        return module.text()

    assert "column_dimension = 2" in options(["y:float64[layer,column]"])
    assert "column_dimension = 1" in options(["y:float64[n]"], "n")
    assert "columns_per_block" not in options(["y:float64[n]"])


def test_of_a_host_whose_layers_come_first_arrays_of_several_dimensions_are_reversed() -> None:
    manifest = manifest_of(["t:float64[column,layer]:K", "ps:float64[column]"], ["y:float64[column,layer]"])
    text = FortranModule.of(manifest, module="m", procedure="p", reverse=True).text()
    assert "[torch_reverse(torch_in(t)), &" in text and " torch_in(ps)], &" in text
    assert "[torch_reverse(torch_out(y))], &" in text
    assert "t(:, :) !! [K] (layer, column), reversed in the model" in text
    assert "column_dimension = 1" in text  # dimensions count as the model has them


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            "radml_add_model(air air.pt KINDS real64)",
            "expected PROCEDURE, MODULE, KIND or COLUMNS with a value each, or REVERSE, got KINDS;real64",
        ),
        ("radml_add_model(air air.pt KIND)", "with a value each, or REVERSE, got KIND"),
        ("radml_add_model(air air.pt KIND double)", "KIND double: expected model, real64, real32 or module:constant"),
    ],
)
def test_cmake_refuses_a_wrong_call(prefix: Path, generate_program: Path, call: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.25)\nproject(p LANGUAGES Fortran)\nfind_package(radml REQUIRED)\n{call}\n"
    )
    options = (f"-DCMAKE_PREFIX_PATH={prefix}", f"-DRADML_GENERATE={generate_program}")
    done = subprocess.run(
        ["cmake", "-S", tmp_path, "-B", tmp_path / "b", *options], check=False, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert words in " ".join(done.stderr.split())


def test_cmake_tells_of_a_model_that_is_not_there(prefix: Path, generate_program: Path, tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(p LANGUAGES Fortran)\nfind_package(radml REQUIRED)\n"
        "add_custom_command(OUTPUT ${CMAKE_CURRENT_SOURCE_DIR}/made.pt COMMAND true)\n"
        "radml_add_model(made made.pt)\nradml_add_model(air airr.pt)\n"
    )
    options = (f"-DCMAKE_PREFIX_PATH={prefix}", f"-DRADML_GENERATE={generate_program}")
    done = subprocess.run(
        ["cmake", "-S", tmp_path, "-B", tmp_path / "b", *options], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stderr.split())
    assert "radml_add_model(air):" in words and "airr.pt: there is no such file, and no rule here that makes it" in words
    assert "radml_add_model(made)" not in words
