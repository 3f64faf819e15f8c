"""``ftorch-bridge doctor``: each thing that can be wrong is found, named and given advice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from ftorch_bridge import doctor
from ftorch_bridge.cli.bridge import app
from ftorch_bridge.doctor import Finding
from ftorch_bridge.exporting import describe, export
from ftorch_bridge.loader import Loaded, LoaderError, interpreter, loaded_libraries, trace
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parent.parent
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux's dynamic loader")
TORCH = torch.__version__


def only(findings: Iterable[Finding]) -> Finding:
    (finding,) = findings
    assert (finding.state == "ok") == (not finding.advice)
    return finding


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, exported as TorchScript."""
    path = tmp_path_factory.mktemp("model") / "linear.pt"
    module = torch.nn.Linear(5, 5).eval()
    export(module, describe(module, "linear", "float32", ["x:float32[row,5]"], ["y:float32[row,5]"], {}), path, columns=None)
    return path


# ---- the command ----


def test_on_a_machine_that_is_in_order_the_command_finds_nothing_wrong(package: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", str(package), "--json", str(tmp_path / "found.json")])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["state"] in {"ok", "warning"}
    checks = {finding["check"]: finding for finding in found["findings"]}
    assert {"versions", "libradml", "numbers", "temporary folder", "threads", "CUDA", "C++ compiler", "model"} <= set(checks)
    assert checks["numbers"]["state"] == "ok"
    assert checks["model"] == {
        "check": "model", "state": "ok", "advice": "",
        "text": "linear.pt: TorchScript, 1 input, 1 output; loads here",
    }  # fmt: skip
    for finding in found["findings"]:
        assert (finding["state"] == "ok") == (finding["advice"] == "")
        assert finding["check"] in done.output


def test_a_problem_is_exit_code_1_and_comes_with_advice(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", str(tmp_path / "gone.pt"), "--json", str(tmp_path / "found.json")])
    assert done.exit_code == 1
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["state"] == "problem"
    (problem,) = [finding for finding in found["findings"] if finding["state"] == "problem"]
    assert problem["text"].endswith("gone.pt: no such file")
    assert "→ check the path" in done.output


def test_warnings_are_exit_code_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "examine", lambda *_, **__: [doctor.warning("threads", "too many", "take fewer")])
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0
    assert "→ take fewer" in done.output


# ---- the installation ----

IN_ORDER = {"radml": "0.1.0", "built_for": "2.13.0", "threads": 2, "bits_agree": True, "libraries": ["/t/lib/libgomp.so.1"]}


def states(findings: Iterable[Finding]) -> dict[str, str]:
    return {finding.check: finding.state for finding in findings}


def test_an_installation_in_order() -> None:
    found = states(doctor.library(IN_ORDER, "2.13.0+cu126"))
    assert found == {"libradml": "ok", "numbers": "ok", "libraries in Python": "ok"}


@pytest.mark.parametrize(
    ("change", "check", "state", "words"),
    [
        ({"built_for": "2.12.1"}, "libradml", "problem", "built for PyTorch 2.12.1, installed is 2.13.0+cpu"),
        ({"bits_agree": False}, "numbers", "problem", "other bits"),
        (
            {"libraries": ["/t/libgomp.so.1", "/c/libiomp5.so"]},
            "libraries in Python",
            "warning",
            "/c/libiomp5.so, /t/libgomp.so.1",
        ),
    ],
)
def test_an_installation_out_of_order(change: dict[str, object], check: str, state: str, words: str) -> None:
    findings = [finding for finding in doctor.library(IN_ORDER | change, "2.13.0+cpu") if finding.check == check]
    assert only(findings).state == state
    assert words in findings[0].text


def test_a_library_that_cannot_be_loaded_is_told_with_the_loaders_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "lib" / "radml" / "ftorch_bridge"
    folder.mkdir(parents=True)
    (folder / "_radml.py").write_text("raise ImportError('libtorch_cpu.so: cannot open shared object file', name=__name__)\n")
    monkeypatch.delenv("RADML_PREFIX", raising=False)
    monkeypatch.setenv("RADML_BUILD_DIR", str(tmp_path))
    found = doctor.run_self_test(None)
    assert "libradml cannot be loaded (libtorch_cpu.so: cannot open shared object file)" in found
    finding = only(doctor.library(found, TORCH))
    assert finding.state == "problem"
    assert "libtorch_cpu.so: cannot open" in finding.text


def test_a_library_that_ends_the_process_does_not_end_the_doctor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "lib" / "radml" / "ftorch_bridge"
    folder.mkdir(parents=True)
    (folder / "_radml.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n")
    monkeypatch.delenv("RADML_PREFIX", raising=False)
    monkeypatch.setenv("RADML_BUILD_DIR", str(tmp_path))
    assert doctor.run_self_test(None) == "the process died of SIGILL"


def test_a_temporary_folder_is_tried_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(doctor.temporary_folder({"TMPDIR": str(tmp_path)})).state == "ok"
    gone = only(doctor.temporary_folder({"TMPDIR": str(tmp_path / "gone")}))
    assert (gone.state, gone.text) == ("problem", f"TMPDIR={tmp_path / 'gone'}: no such folder")
    assert only(doctor.temporary_folder({"TMP": str(tmp_path)})).text.startswith(f"TMP={tmp_path}")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(subprocess, "run", refuse)  # as on a file system that is mounted noexec
    refused = only(doctor.temporary_folder({"TMPDIR": str(tmp_path)}))
    assert (refused.state, "cannot be written and run there (Permission denied)" in refused.text) == ("problem", True)


@LINUX
@pytest.mark.skipif(
    not Path("/dev/shm").is_dir() or os.statvfs("/dev/shm").f_flag & os.ST_NOEXEC == 0, reason="no noexec folder"
)
def test_a_temporary_folder_that_is_mounted_noexec() -> None:
    assert only(doctor.temporary_folder({"TMPDIR": "/dev/shm"})).state == "problem"


def test_compilers_that_are_not_there_are_warnings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "g++-99")
    findings = list(doctor.compilers())
    assert [finding.state for finding in findings] == ["warning"] * 3
    assert findings[0].text == "g++-99: not found"
    cmake = tmp_path / "cmake"
    cmake.write_text("#!/bin/sh\necho cmake version 3.18.4\n")
    cmake.chmod(0o755)
    assert (findings := list(doctor.compilers()))[2].text == "cmake version 3.18.4"
    assert findings[2].state == "warning"
    cmake.write_text("#!/bin/sh\necho cmake version 4.0.1\n")
    assert list(doctor.compilers())[2].state == "ok"


# ---- the machine ----


@pytest.mark.parametrize(
    ("environment", "ranks"),
    [
        ({}, (1, "")),
        ({"OMPI_COMM_WORLD_LOCAL_SIZE": "4"}, (4, "OMPI_COMM_WORLD_LOCAL_SIZE")),
        ({"MPI_LOCALNRANKS": "16"}, (16, "MPI_LOCALNRANKS")),
        ({"SLURM_STEP_TASKS_PER_NODE": "4(x2),3"}, (4, "SLURM_STEP_TASKS_PER_NODE")),
        ({"SLURM_TASKS_PER_NODE": "12"}, (1, "")),  # in the batch script: not a rank
        ({"SLURM_TASKS_PER_NODE": "2,12(x3)", "PMI_RANK": "0"}, (12, "SLURM_TASKS_PER_NODE")),
        ({"OMPI_COMM_WORLD_LOCAL_SIZE": "many"}, (1, "")),
    ],
)
def test_ranks_on_this_node_are_read_from_the_launcher(environment: dict[str, str], ranks: tuple[int, str]) -> None:
    assert doctor.local_ranks(environment) == ranks


OMPI_4 = {"OMPI_COMM_WORLD_LOCAL_SIZE": "4"}


@pytest.mark.parametrize(
    ("used", "environment", "own", "limit", "state", "words"),
    [
        (8, {}, 8, None, "ok", "8 of 16 processors; LibTorch's threads: 8"),
        (8, {}, 4, None, "warning", "4 of 16 processors; LibTorch's threads: 8, more than its processors"),
        (8, {}, 16, 2.5, "warning", "of which the container may use 2.5; LibTorch's threads: 8, more than"),
        (
            4,
            OMPI_4,
            16,
            None,
            "ok",
            "16 of 16 processors; 4 MPI ranks on this node (OMPI_COMM_WORLD_LOCAL_SIZE); LibTorch's threads: 4",
        ),
        (16, OMPI_4, 16, None, "warning", "LibTorch's threads: 16 each, 64 in all, more than there are processors"),
        (4, OMPI_4 | {"OMP_NUM_THREADS": "4"}, 4, None, "ok", "(OMP_NUM_THREADS=4)"),
        (None, {}, 16, None, "ok", "16 of 16 processors"),
    ],
)
def test_threads_against_processors(
    used: int | None, environment: dict[str, str], own: int, limit: float | None, state: str, words: str
) -> None:
    finding = only(doctor.threads(used, environment=environment, on_node=16, own=own, limit=limit))
    assert finding.state == state
    assert words in finding.text


def test_the_advice_is_each_ranks_share() -> None:
    finding = only(doctor.threads(16, environment=OMPI_4, on_node=16, own=16, limit=None))
    assert finding.advice.startswith("OMP_NUM_THREADS=4, or call torch_set_num_threads(4)")
    finding = only(doctor.threads(16, environment=OMPI_4, on_node=16, own=2, limit=None))
    assert finding.advice.startswith("OMP_NUM_THREADS=2,")


@pytest.mark.parametrize("text", ["", "all", "0", "-1", "2,x"])
def test_a_number_of_threads_that_is_none(text: str) -> None:
    found = list(doctor.threads(2, environment={"OMP_NUM_THREADS": text}, on_node=4, own=4))
    assert found[0].state == "warning"
    assert repr(text) in found[0].text
    assert len(list(doctor.threads(2, environment={"OMP_NUM_THREADS": "2,1"}, on_node=4, own=4))) == 1


def test_the_limit_of_a_container(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/job/step\n")

    def limit() -> float | None:
        return doctor.processor_limit(tmp_path, own)

    assert limit() is None
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert limit() is None
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    assert limit() == 2.5
    (tmp_path / "job" / "step").mkdir(parents=True)
    (tmp_path / "job" / "cpu.max").write_text("150000 100000\n")
    assert limit() == 1.5
    (tmp_path / "job" / "step" / "cpu.max").write_text("max 100000\n")
    assert limit() == 1.5
    own.unlink()
    assert limit() is None
    (tmp_path / "cpu").mkdir()
    for name, value in (("quota", "300000"), ("period", "100000")):
        (tmp_path / "cpu" / f"cpu.cfs_{name}_us").write_text(value)
    assert limit() == 3


def test_the_threads_that_libtorch_would_use_are_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = doctor.run_self_test(None)
    assert not isinstance(found, str), found
    assert found["threads"] == 1


def test_why_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    monkeypatch.setattr(Path, "is_file", lambda self: False)
    assert only(doctor.cuda({})).state == "ok"
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert "built without CUDA" in only(doctor.cuda({})).text
    assert only(doctor.cuda({})).state == "warning"
    monkeypatch.setattr(torch.version, "cuda", "12.6")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "hides every GPU" in only(doctor.cuda({"CUDA_VISIBLE_DEVICES": ""})).text
    monkeypatch.setattr(torch.cuda, "init", lambda: (_ for _ in ()).throw(RuntimeError("The NVIDIA driver is too old")))
    assert "The NVIDIA driver is too old" in only(doctor.cuda({"CUDA_VISIBLE_DEVICES": "0"})).text


# ---- a model ----


def changed(package: Path, folder: Path, **needs: object) -> Path:
    """A model whose manifest says that it is a package with these needs."""
    path = folder / "changed.pt"
    module = torch.jit.load(package)
    manifest = {"radml": 1, "torch": "2.13.0", "inputs": [], "outputs": [], "package": needs}
    torch.jit.save(module, path, _extra_files={"radml.json": json.dumps(manifest)})
    return path


def test_a_model_for_another_machine(package: Path, tmp_path: Path) -> None:
    path = changed(package, tmp_path, machine="riscv64", instructions=["v"])
    found = [finding.text for finding in doctor.model(path, None, "2.12.0")]
    assert "changed.pt: compiled for riscv64, this machine is" in found[0]
    assert any("made with PyTorch 2.13.0, installed is 2.12.0" in text for text in found)


@LINUX
def test_a_model_that_needs_instructions_that_this_machine_lacks(package: Path, tmp_path: Path) -> None:
    path = changed(package, tmp_path, instructions=["avx8192"])
    finding = only(doctor.model(path, None, "2.13.0"))
    assert (finding.state, "needs the instruction sets avx8192" in finding.text) == ("problem", True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="tests/test_packages_gpu.py has it for machines with a GPU")
def test_a_package_for_a_gpu_where_none_is(package: Path, tmp_path: Path) -> None:
    path = changed(package, tmp_path, device="cuda", compute_capability="9.0", instructions=[])
    finding = only(doctor.model(path, None, "2.13.0"))
    words = "changed.pt: compiled for GPUs of compute capability 9.0, PyTorch finds no GPU here"
    assert (finding.state, finding.text) == ("problem", words)


def test_what_libradml_says_of_a_model_is_told(package: Path, tmp_path: Path) -> None:
    assert only(doctor.model(package, "", TORCH)).state == "ok"
    assert only(doctor.model(package, "linear.pt: no good", TORCH)).text == "linear.pt: no good"
    torch.jit.script(torch.nn.ReLU()).save(tmp_path / "plain.pt")
    plain = only(doctor.model(tmp_path / "plain.pt", "", TORCH))
    assert (plain.state, "without a manifest" in plain.text) == ("warning", True)
    (tmp_path / "garbage.pt").write_text("no model")
    found = doctor.run_self_test(tmp_path / "garbage.pt")
    assert "garbage.pt" in found["model"]
    assert only(doctor.model(tmp_path / "garbage.pt", found["model"], TORCH)).state == "problem"
    (tmp_path / "cut.pt").write_bytes((tmp_path / "plain.pt").read_bytes()[:500])
    found = doctor.run_self_test(tmp_path / "cut.pt")
    cut = only(doctor.model(tmp_path / "cut.pt", found["model"], TORCH))
    assert (cut.state, cut.advice) == ("problem", "copy it again, or export the model again: ftorch-export")


# ---- a host: its facts are in test_host_libraries.py ----


@LINUX
def test_programs_that_cannot_be_looked_at(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\ntouch ran\n")
    script.chmod(0o755)
    for path, words in ((script, "not a dynamically linked program"), (tmp_path / "gone", "no such file")):
        finding = only(doctor.host(path))
        assert (finding.state, words in finding.text) == ("problem", True)
    assert not (tmp_path / "ran").exists()
    assert interpreter(script) is None
    with pytest.raises(LoaderError, match="not a dynamically linked program"):
        trace(script)
    other = only(doctor.host(Path("/bin/sh")))
    assert (other.state, "does not load libradml" in other.text) == ("warning", True)


@LINUX
def test_a_program_is_looked_at_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "p.c").write_text('#include <stdio.h>\nint main(void) { fopen("ran", "w"); return 0; }\n')
    subprocess.run(["cc", "p.c", "-o", "p"], cwd=tmp_path, check=True)
    loaded = trace(tmp_path / "p", lambda *_: True)
    assert not (tmp_path / "ran").exists()
    assert loaded.libraries["libc.so.6"].name == "libc.so.6"
    assert any(name.startswith("ld-") for name in loaded.libraries)
    assert Path(loaded.bindings[str(tmp_path / "p"), "fopen"]).name == "libc.so.6"


@LINUX
def test_a_library_that_is_missing_and_one_that_is_not_the_one_linked(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int radml_version(void) { return 1; }\n")
    for number in (2, 3):
        (tmp_path / f"{number}.map").write_text(f"B_{number}.0 {{ global: *; }};\n")
    (tmp_path / "main.c").write_text("int radml_version(void);\nint main(void) { return radml_version(); }\n")

    def compiled(*arguments: str) -> None:
        subprocess.run(["cc", *arguments], cwd=tmp_path, check=True)

    compiled("-shared", "-fPIC", "a.c", "-Wl,--version-script=2.map", "-o", "libradml.so")
    compiled("main.c", "-L.", "-lradml", "-o", "main", f"-Wl,-rpath,{tmp_path}")
    compiled("-shared", "-fPIC", "a.c", "-Wl,--version-script=3.map", "-o", "libradml.so")
    finding = only(doctor.host(tmp_path / "main"))
    assert finding.state == "problem", finding
    assert "version `B_2.0' not found" in finding.text
    (tmp_path / "libradml.so").unlink()
    finding = only(doctor.host(tmp_path / "main"))
    assert (finding.state, finding.text) == ("problem", f"{tmp_path / 'main'}: not found: libradml.so")


def loaded(bindings: dict[tuple[str, str], str]) -> Loaded:
    return Loaded(Path("/h/host"), {}, bindings)


def test_openmp_libraries_by_who_uses_them() -> None:
    gnu, llvm = "/g/libgomp.so.1", "/l/libomp.so.5"
    torch_, host = "/t/libtorch_cpu.so", "/h/host"
    one = {(torch_, "GOMP_parallel"): gnu, (host, "GOMP_parallel"): gnu, (llvm, "omp_get_num_threads"): llvm}
    assert only(doctor._openmp(loaded(one))).state == "ok"
    two = only(doctor._openmp(loaded({(torch_, "GOMP_parallel"): gnu, (host, "__kmpc_fork_call"): llvm})))
    assert two.state == "warning"
    assert f"the program uses {llvm}, LibTorch {gnu}" in two.text
    mixed = only(doctor._openmp(loaded({(torch_, "GOMP_parallel"): gnu, (torch_, "omp_in_parallel"): llvm})))
    assert mixed.state == "problem"


def test_routines_of_libtorch_that_come_from_elsewhere() -> None:
    torch_, host, other = "/t/libtorch_cpu.so", "/h/host", "/o/libother.so"
    alone = loaded({(torch_, name): torch_ for name in ("dgemm_", "crc32", "_ZN1aC1Ev")} | {(torch_, "exp"): "/lib/libm.so.6"})
    same = {(torch_, name): torch_ for name in ("dgemm_", "crc32")} | {(host, "dgemm_"): other, (torch_, "exp"): other}
    assert only(doctor._interposed(loaded(same), alone)).state == "ok"
    finding = only(doctor._interposed(loaded({(torch_, "crc32"): other, (torch_, "_ZN1aC1Ev"): other}), alone))
    assert (finding.state, finding.check) == ("warning", "host: libraries")
    assert f"1 routine (crc32) from {other}" in finding.text


# ---- a process ----


@LINUX
def test_a_process_that_runs() -> None:
    code = "import ftorch_bridge.coupling, sys; print('ready', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        found = {finding.check: finding for finding in doctor.running(process.pid)}
        assert any("libradml" in path for path in loaded_libraries(process.pid))
        process.communicate("")
    assert "process" not in found
    assert (found["process: OpenMP"].state, "libgomp" in found["process: OpenMP"].text) == ("ok", True)
    assert "process: BLAS" in found
    assert only(doctor.running(process.pid)).state == "problem"
    done = CliRunner().invoke(app, ["doctor", "--pid", str(process.pid)])
    assert done.exit_code == 1
    assert "No such process" in done.output or "No such file" in done.output


def test_copies_of_libraries_in_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [
        "/a/libradml.so.1",
        "/t/libtorch_cpu.so",
        "/u/libtorch_cpu.so",
        "/g/libgomp.so.1",
        "/l/libomp.so.5",
        "/o/libopenblas.so",
    ]
    monkeypatch.setattr(doctor, "loaded_libraries", lambda process: files)
    found = {finding.check: finding for finding in doctor.running(7)}
    assert (found["process"].state, "2 copies of libtorch_cpu" in found["process"].text) == ("problem", True)
    assert found["process: OpenMP"].state == "warning"
    assert "/o/libopenblas.so" in found["process: BLAS"].text


def test_a_folder_that_is_not_there_is_told_before_anything_is_looked_at(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--json", str(tmp_path / "nowhere" / "found.json")])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"ftorch-bridge doctor: {tmp_path}/nowhere/found.json: no such folder")
    assert result.stdout == ""


def test_the_command_starts_without_pytorch(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.12: cannot open shared object file')\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT / "python")])}
    done = subprocess.run(
        [sys.executable, "-m", "ftorch_bridge.cli.bridge", "doctor", "--json", tmp_path / "found.json"],
        env=environment, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())["findings"]
    assert any("libcudart.so.12: cannot open" in finding["text"] for finding in found if finding["state"] == "problem")
