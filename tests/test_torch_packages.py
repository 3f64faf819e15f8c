"""Packages of machine code (.pt2): written by ftorch-export, run and refused by the coupling library."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from ftorch_bridge.cli.bridge import app as bridge_app
from ftorch_bridge.cli.export import app as export_app
from ftorch_bridge.column_file import write
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.exporting import ExportError, describe, export, read_manifest
from ftorch_bridge.packages import flatten, load_package, missing_instructions
from torch import nn
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(os.environ.get("RADML_BUILD_DIR", ROOT / "build")) / "bin"
runner = CliRunner()

pytestmark = pytest.mark.skipif(not shutil.which(os.environ.get("CXX", "g++")), reason="packages need a C++ compiler")


class Scale(nn.Module):
    def forward(self, t: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        return 2 * t + s[:, None]


class Layers(nn.Module):
    """Loops over its layers in Python, so that each number of them is another program."""

    def forward(self, t: torch.Tensor) -> torch.Tensor:
        total = torch.zeros_like(t[:, 0])
        for layer in t.unbind(1):
            total = total * 0.5 + layer
        return total


class Mixed(nn.Module):
    def forward(self, t: torch.Tensor) -> dict[str, list[object]]:
        return {"up": [t, 3]}


def test_every_check_of_the_program_passes(packages, tmp_path):
    program = BIN / "test_torch_packages"
    if not program.exists():
        pytest.fail(f"{program} is not built: build with -DRADML_BUILD_TESTS=ON, or set RADML_BUILD_DIR")
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    result = subprocess.run([program, packages], check=False, capture_output=True, text=True, timeout=300, env=environment)
    failures = [line for line in result.stdout.splitlines() if not line.startswith("ok ")]
    assert result.returncode == 0, "\n".join([*failures, result.stderr])
    assert result.stdout.count("\nok ") > 60
    assert list(tmp_path.iterdir()) == []  # what a package was unpacked into is gone, though the host freed no model


def test_a_temporary_folder_that_is_not_there_is_reported(packages, tmp_path):
    code = (
        "import ctypes, sys\n"
        "library = ctypes.CDLL(sys.argv[1])\n"
        "model, message = ctypes.c_int64(), ctypes.create_string_buffer(500)\n"
        "print(library.radml_load(sys.argv[2].encode(), b'cpu', ctypes.byref(model), message, ctypes.c_int64(500)))\n"
        "print(message.value.decode())\n"
    )
    library = BIN.parent / "lib" / "libradml.so"
    for folder, status in ((tmp_path / "absent", 1), (tmp_path, 0)):
        result = subprocess.run(
            [sys.executable, "-c", code, library, packages / "perceptron.pt2"],
            check=True, capture_output=True, text=True, env=os.environ | {"TMPDIR": str(folder)},
        )  # fmt: skip
        assert result.stdout.splitlines()[0] == str(status)
        assert ("let TMPDIR name a folder that can be written to" in result.stdout) == (status != 0)


@pytest.mark.skipif(not shutil.which("objdump") or os.uname().machine != "x86_64", reason="reads x86 code with objdump")
def test_a_portable_package_has_no_instruction_beyond_its_level(packages, tmp_path):
    assert not {name for name in read_manifest(packages / "perceptron.pt2")["package"]["instructions"] if "avx512" in name}
    with zipfile.ZipFile(packages / "perceptron.pt2") as archive:
        (library,) = (name for name in archive.namelist() if name.endswith(".so"))
        archive.extract(library, tmp_path)
    code = subprocess.run(["objdump", "-d", tmp_path / library], check=True, capture_output=True, text=True).stdout
    assert "%ymm" in code  # it is vectorised
    assert "%zmm" not in code
    assert "%k1" not in code
    assert "%xmm16" not in code


def test_a_package_says_what_it_was_compiled_for(packages):
    printed = runner.invoke(bridge_app, ["info", str(packages / "radiation.pt2")])
    manifest = json.loads(printed.output)
    assert manifest == read_manifest(packages / "radiation.pt2")
    assert manifest["inputs"][0] == {
        "name": "pressure_level", "kind": "float64", "shape": ["column", "layer+1"], "units": "Pa", "layout": "fortran",
    }  # fmt: skip
    assert manifest["package"]["machine"] == os.uname().machine
    assert "ranges" not in manifest  # any number of columns and layers, none included
    assert read_manifest(packages / "perceptron.pt2")["ranges"] == {"n": [0, 1000]}
    assert read_manifest(packages / "in_place.pt2")["inputs"][0]["written"] is True
    with pytest.raises(ExportError, match="without a manifest"):
        read_manifest(packages / "no_manifest.pt2")
    with pytest.raises(ExportError, match="not a model file"):
        read_manifest(packages / "truncated.pt2")


def invoke(*arguments):
    return runner.invoke(export_app, [str(a) for a in arguments])


def test_a_package_for_this_machine_and_arrays_in_c_order(tmp_path):
    torch.save(Scale(), tmp_path / "module.pt")
    output = tmp_path / "scale.pt2"
    result = invoke(
        tmp_path / "module.pt", "-o", output, "--input", "t:float32[column,layer]:K", "--input", "s:float32[column]",
        "--output-argument", "r:float32[column,layer]:K", "--march", "native", "--layout", "c", "--fix", "layer=5",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    manifest = read_manifest(output)
    assert manifest["inputs"][0]["layout"] == "c"
    assert manifest["inputs"][0]["shape"] == ["column", 5]
    assert missing_instructions(manifest["package"]["instructions"]) == []
    t, s = torch.randn(3, 5), torch.randn(3)
    torch.testing.assert_close(load_package(output)(t, s), 2 * t + s[:, None])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["module.pt", "scale.pt2"]


def test_a_loop_over_a_free_dimension_is_refused_with_the_way_out(tmp_path):
    module = Layers().eval()
    manifest = describe(module, "layers", "float32", ["t:float32[column,layer]"], ["r:float32[column]"], {})
    with pytest.raises(ExportError, match=r"layers: torch\.export cannot export it: .*layer.*--fix name=number"):
        export(module, manifest, tmp_path / "out.pt2", columns=None)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ExportError, match="no free dimension 'levels'; there are column, layer"):
        manifest.fixed({"levels": 3})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--march", "vax"], "--march vax: expected portable or native"),
        (["--layout", "diagonal"], "--layout diagonal: expected fortran or c"),
        (["--fix", "layer"], "--fix layer: expected name=number"),
        (["--range", "n=5"], "--range n=5: expected name=least:most"),
        (["--range", "m=0:5"], "no free dimension 'm'"),
    ],
)
def test_options_that_mean_nothing_give_one_line(tmp_path, options, words):
    torch.save(Scale(), tmp_path / "module.pt")
    result = invoke(
        tmp_path / "module.pt", "-o", tmp_path / "out.pt2", "--input", "t:float32[n,3]", "--input", "s:float32[n]",
        "--output-argument", "r:float32[n,3]", *options,
    )  # fmt: skip
    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert words in result.stderr
    assert not (tmp_path / "out.pt2").exists()


def test_columns_that_do_not_fit_the_fixed_layers_are_refused_before_anything_is_compiled(tmp_path):
    write(generate_columns(20, 30, seed=1), tmp_path / "columns.nc")
    result = invoke(
        "ftorch_bridge.networks:ResCNN", "--columns", tmp_path / "columns.nc", "--fix", "layer=31", "-o", tmp_path / "out.pt2"
    )
    assert result.exit_code == 1
    assert "out: pressure_level: expected an extent of 32, the columns have 31" in result.stderr
    assert not (tmp_path / "out.pt2").exists()


def test_torchscript_cannot_become_a_package(tmp_path):
    script = torch.jit.script(Scale().eval())
    manifest = describe(script, "scale", "float32", ["t:float32[n,3]", "s:float32[n]"], ["r:float32[n,3]"], {})
    with pytest.raises(ExportError, match="compiled from a PyTorch module, not from TorchScript"):
        export(script, manifest, tmp_path / "out.pt2", columns=None)


def test_without_a_compiler_the_message_says_so(tmp_path):
    torch.save(Scale(), tmp_path / "module.pt")
    # A process of its own, since PyTorch reads CXX only once; the module's class is this file's.
    tests = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {tests!r}); from ftorch_bridge.cli.export import app; app(sys.argv[1:])"
    result = subprocess.run(
        [
            sys.executable, "-W", "ignore", "-c", code, tmp_path / "module.pt", "-o", tmp_path / "out.pt2",
            "--input", "t:float32[n,3]", "--input", "s:float32[n]", "--output-argument", "r:float32[n,3]",
        ],
        check=False, capture_output=True, text=True, env=os.environ | {"CXX": "no-such-compiler"},
    )  # fmt: skip
    assert result.returncode == 1
    assert "compiled by a C++ compiler: found none (no-such-compiler); install one or set CXX" in result.stderr
    assert not (tmp_path / "out.pt2").exists()


@pytest.mark.parametrize("suffix", ["pt", "pt2"])
def test_an_output_that_is_no_tensor_is_named_by_its_place(tmp_path, suffix):
    module = Mixed().eval()
    manifest = describe(module, "mixed", "float32", ["t:float32[n]"], ["up:float32[n]", "x:float32[n]"], {})
    with pytest.raises(ExportError, match=r"mixed: .*int at \['up'\]\[1\]|TorchScript cannot compile it"):
        export(module, manifest, tmp_path / f"out.{suffix}", columns=None)
    assert list(tmp_path.iterdir()) == []


def test_nested_results_are_flattened_in_the_order_of_their_dictionaries():
    nested = {"b": (1, [2, 3]), "a": {"z": 4, "y": 5}}
    assert flatten(nested) == [("['b'][0]", 1), ("['b'][1][0]", 2), ("['b'][1][1]", 3), ("['a']['z']", 4), ("['a']['y']", 5)]
    assert flatten(7) == [("", 7)]
