"""Memory: LibTorch's is kept between calls and given back with the model; blocks of columns take no more than a block needs."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "tests" / "torch" / "repeat_forward.py"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="page faults and resident memory are read from Linux")
def test_calls_after_the_first_fault_no_pages_in_and_freeing_gives_the_memory_back(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", SCRIPT], cwd=tmp_path, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    faults, released = (float(word) for word in done.stdout.split())
    assert faults < 20  # one pass over the intermediate arrays is about 10,000 pages
    assert released > 20  # MiB


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of resident memory is read from Linux")
def test_blocks_of_columns_take_memory_for_blocks_and_not_for_all_columns(tmp_path: Path) -> None:
    script = SCRIPT.with_name("blocks_memory.py")
    done = subprocess.run([sys.executable, "-W", "ignore", script], cwd=tmp_path, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    blocks, whole = (float(word) for word in done.stdout.split())
    assert whole > 200  # MiB: 300,000 columns of 200 numbers
    assert blocks < 20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the size of the heap is asked of glibc")
def test_derivatives_and_training_steps_leave_nothing_on_the_heap(tmp_path: Path) -> None:
    script = SCRIPT.with_name("repeat_derivatives.py")
    done = subprocess.run([sys.executable, "-W", "ignore", script], cwd=tmp_path, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    for growth in (int(word) for word in done.stdout.split()):
        assert growth < 3000  # a byte a call
