"""From nothing to the networks of all sky: the scripts of examples/, with hardly any columns and steps."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from ftorch_bridge.weights import read_weights
from host_projects import ROOT, command

FEWER = {
    "examples/train_all_sky.sh": [
        (r"--number 196608", "--number 1536 --columns-per-shard 256"),
        (r"--number 2048 --columns-per-shard 2048", "--number 256 --columns-per-shard 256"),
        (r"--draws \d+", "--draws 1"),
        (r"--noise-columns 256", "--noise-columns 8"),
        (r"60000 33000|24000 60000", "3 2"),
        (r"--json networks.json", "--repeats 1 --json networks.json"),
    ],
    "examples/record_all_sky.sh": [
        (r"--number \d+", "--number 8"),
        (r"hours = 240", "hours = 6"),
        (r"= 864000", "= 21600"),
        (r"for day in .*; do", "for day in 15 196; do"),
        (r"record (polar|co2|overcast|warmer) .*", ""),
    ],
    "examples/replay_all_sky.sh": [(r"--draws \d+", "--draws 2")],
    **{
        f"recipes/{name}.toml": [
            (r"steps = \d+", "steps = 3"),
            (r"batch = \d+", "batch = 16"),
            (r"columns = 2000", "columns = 20"),
        ]
        for name in ("all_sky", "all_sky_small", "rescnn_sgd", "birnn")
    },
}


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """Copies of scripts and recipes with less to do."""
    for name, changes in FEWER.items():
        text = (ROOT / name).read_text()
        for pattern, fewer in changes:
            text, times = re.subn(pattern, fewer, text)
            assert times, f"{name}: there is no {pattern}"
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        shutil.copymode(ROOT / name, tmp_path / name)
    return tmp_path / "examples"


def test_the_script_makes_the_networks_that_come_along(scripts: Path, tmp_path: Path) -> None:
    made = tmp_path / "training"
    command(scripts / "train_all_sky.sh", made, "2", PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for name in ("all_sky", "all_sky_small"):
        notes = read_weights(made / f"{name}.safetensors")[2]
        parents = [parent["weights"] for parent in json.loads(notes["parents"])]
        assert parents == [f"{name}.safetensors", f"{name}_first.safetensors"]
    for name in ("all_sky", "all_sky_small", "rescnn_sgd", "birnn"):
        assert "256 columns of 89 layers that the network has not seen" in (made / f"{name}.md").read_text()
    assert (made / "all_sky.envelope.txt").is_file()
    assert (made / "networks.png").is_file()
