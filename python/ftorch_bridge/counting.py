"""How many floating-point operations a model does: counted where PyTorch computes, noted in the file where it does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

METADATA_KEY = "operations"


def _operations_of_addmm(_base: Sequence[int], a: Sequence[int], b: Sequence[int], **_others: object) -> int:
    return 2 * a[0] * a[1] * b[1]


def counted_operations(call: Callable[[], object]) -> int:
    """Floating-point operations of the matrix products and convolutions that ``call`` makes of PyTorch."""
    # PyTorch counts a product that is added to a new tensor, but not one added in place.
    in_place = {torch.ops.aten.addmm_: _operations_of_addmm}
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=in_place) as counter:
        call()
    return counter.get_total_flops()


def note_of(operations: int, sizes: Mapping[str, int]) -> dict[str, str]:
    """Metadata that says how many operations one call with these sizes of the free dimensions is."""
    return {METADATA_KEY: json.dumps({"count": operations, "sizes": dict(sizes)})}


def noted_operations(metadata: Mapping[str, str], column: str, others: Mapping[str, int]) -> float | None:
    """Operations for one of the dimension ``column``, if the metadata note them for these sizes of the ``others``."""
    if METADATA_KEY not in metadata:
        return None
    note = json.loads(metadata[METADATA_KEY])
    columns = note["sizes"].pop(column, 0)
    return note["count"] / columns if columns and note["sizes"] == dict(others) else None
