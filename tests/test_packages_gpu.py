"""Packages (.pt2) for a GPU: compiled and run where one is, refused in a sentence where none is."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ftorch_bridge import doctor
from ftorch_bridge.coupling import Model, Plan, RadmlError
from ftorch_bridge.exporting import describe, read_manifest
from ftorch_bridge.exporting import export as write
from make_models import Convolution
from make_packages import InPlace, Perceptron, Radiation, with_manifest
from test_export_sources import Net, X, Y, export, refused, saved
from test_torch_programs import run
from torch import Tensor, nn

NO_GPU = not torch.cuda.is_available()
gpu = pytest.mark.skipif(NO_GPU, reason="no CUDA device here")
RADIATION = (
    ["pressure:float64[column,layer+1]", "q:float32[column,layer]", "albedo:float64[column]", "solar:float64[]"],
    ["flux:float64[column,layer+1]", "heating:float64[column,layer]", "triple:float32[column,layer]", "total:float64[column]"],
)


class Shifted(nn.Module):
    """It makes a tensor where PyTorch makes them: on the CPU."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :3] + torch.arange(3)


@pytest.fixture(scope="module")
def perceptron(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "perceptron.pt2"
    contract = describe(Perceptron(), "perceptron", "float32", ["x:float32[n,6]"], ["y:float32[n,2]"], {})
    write(Perceptron().eval(), contract, path, columns=None, limits={"n": (0, 1000)}, device="cuda")
    return path


@pytest.mark.skipif(not NO_GPU, reason="this machine has what is missed")
def test_without_a_gpu_none_is_written(tmp_path: Path) -> None:
    words = refused(tmp_path, saved(tmp_path, Net()), *X, *Y, "--device", "cuda", name="out.pt2")
    assert (
        f"out.pt2: --device cuda: a package is compiled for the GPU that PyTorch finds, and PyTorch {torch.__version__}"
        in words
    )
    assert "export it where the GPU is, or as TorchScript (.pt), which any device runs" in words


@gpu
def test_the_command_writes_one_that_says_what_it_is_for(tmp_path: Path) -> None:
    export(tmp_path, saved(tmp_path, Shifted()), *X, *Y, "--device", "cuda", name="out.pt2")
    needs = read_manifest(tmp_path / "out.pt2")["package"]
    assert needs["device"] == "cuda"
    assert needs["compute_capability"] == ".".join(map(str, torch.cuda.get_device_capability()))
    x = np.ones((5, 4), "f4")
    y = np.zeros((5, 3), "f4")
    with Model(tmp_path / "out.pt2", device="cuda") as model:
        model.forward([x], [y])
    np.testing.assert_allclose(y, x[:, :3] + np.arange(3))


@gpu
@pytest.mark.parametrize("case", ["radiation", "in_place"])
def test_it_gives_from_a_hosts_arrays_what_the_module_gives(case: str, tmp_path: Path) -> None:
    """Two kinds, a scalar, an offset and nested outputs; and inputs that the model writes to, which stay as they were."""
    module: nn.Module = Radiation() if case == "radiation" else InPlace()
    arguments = RADIATION if case == "radiation" else (["x:float64[n,m]"], ["y:float64[n,m]", "z:float64[n,m]"])
    path = tmp_path / f"{case}.pt2"
    contract = describe(module, case, "float64", *arguments, {})
    write(module.eval(), contract, path, columns=None, device="cuda")
    random = np.random.default_rng(1)
    shapes = {"column": 33, "layer": 7, "layer+1": 8, "n": 33, "m": 7}
    inputs = [np.array(random.normal(size=tuple(shapes[str(e)] for e in a.shape)), a.kind, order="F") for a in contract.inputs]
    before = [array.copy() for array in inputs]
    outputs = [np.zeros(tuple(shapes[str(e)] for e in a.shape), a.kind, order="F") for a in contract.outputs]
    with Model(path, device="cuda") as model:
        model.forward(inputs, outputs)
    expected = torch.utils._pytree.tree_leaves(module(*(torch.tensor(array) for array in inputs)))
    for found, right in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(found, right.numpy(), rtol=1e-5, atol=1e-5)
    for array, kept in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(array, kept)


@gpu
def test_blocks_of_columns_through_a_plan_are_the_same_for_any_number(perceptron: Path) -> None:
    x = np.asfortranarray(np.random.default_rng(2).normal(size=(2500, 6)).astype("f4"))
    y, part = np.zeros((2500, 2), "f4", order="F"), np.zeros((700, 2), "f4", order="F")
    with Model(perceptron, device="cuda") as model:
        for rows, result in ((x, y), (np.asfortranarray(x[:700]), part)):
            with Plan(model, [rows], [result], column_dimension=1, columns_per_block=96) as plan:
                for _ in range(20):  # more blocks are under way than the package has instances
                    plan.run()
    with torch.inference_mode():
        right = Perceptron().eval()(torch.from_numpy(x[:1000])).numpy()
    np.testing.assert_allclose(y[:1000], right, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(y[:700], part)


@gpu
def test_arrays_on_the_gpu_and_streams_give_what_the_cpu_gives(models: Path, tmp_path: Path) -> None:
    """The checks of ``cuda_arrays``, of a package in place of TorchScript."""
    module = Convolution()
    module.load_state_dict(torch.load(models / "weights.pt"))
    contract = describe(module, "convolution", "float32", ["x:float32[n,4,m]"], ["y:float32[n,2,m]"], {})
    write(module.eval(), contract, tmp_path / "convolution.pt2", columns=None, device="cuda")
    result = run("cuda_arrays", models, tmp_path / "convolution.pt2")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("\nok ") > 5


@gpu
def test_the_cpu_another_kind_of_gpu_and_a_machine_without_one_refuse_it(
    perceptron: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RadmlError, match='compiled for the device "cuda", not for the cpu; load it with'):
        Model(perceptron)
    other = tmp_path / "other.pt2"
    with_manifest(perceptron, other, lambda m: m["package"].update(compute_capability="1.0"))
    with pytest.raises(RadmlError, match=r'for GPUs of compute capability 1\.0, "cuda:0" has \d+\.\d'):
        Model(other, device="cuda")
    version = torch.__version__
    (finding,) = doctor.model(perceptron, "", version)
    assert (finding.state, "loads here" in finding.text) == ("ok", True)
    (finding,) = doctor.model(other, None, version)
    assert (finding.state, "compute capability 1.0, here they have" in finding.text) == ("problem", True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (finding,) = doctor.model(perceptron, None, version)
    assert (finding.state, "PyTorch finds no GPU here" in finding.text) == ("problem", True)
