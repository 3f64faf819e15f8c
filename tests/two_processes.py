"""Trainings on two processes."""

import sys

from host_projects import command


def train_on_two_processes(*arguments: object) -> str:
    """What ``ftorch-train`` with these arguments printed under torchrun; it must succeed."""
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    return command(*torchrun, "-m", "ftorch_bridge.cli.train", *map(str, arguments), OMP_NUM_THREADS="1")
