"""Which of how many processes this one is, as the program that launched it says in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping

# Rank and number of ranks. The first that is set counts: a batch system's own come last, since mpirun may have started the
# process inside its job.
_LAUNCHERS = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),  # MVAPICH
    ("PMI_RANK", "PMI_SIZE"),  # MPICH and Intel MPI (Hydra), Cray PALS
    ("RANK", "WORLD_SIZE"),  # torchrun
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),  # srun; batch scripts have no step
)


def rank_and_size(environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """Rank, from 0, and number of ranks; (0, 1) for a process that was started alone.

    Raises ``ValueError`` where a launcher's variables are not numbers that go together.
    """
    for rank_name, size_name in _LAUNCHERS:
        if rank_name not in environment or size_name not in environment:
            continue
        rank, size = environment[rank_name], environment[size_name]
        if not (rank.isdecimal() and size.isdecimal() and int(rank) < int(size)):
            raise ValueError(f"{rank_name}={rank}, {size_name}={size}: expected a rank below the number of ranks")
        return int(rank), int(size)
    return 0, 1
