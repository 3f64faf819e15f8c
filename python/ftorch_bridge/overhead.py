"""What a call through the coupling costs beyond LibTorch: the program ``radml-bench-overhead`` and a table of what it found."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.table import Table

from ftorch_bridge import programs
from ftorch_bridge.bench import machine_facts
from ftorch_bridge.exporting import describe, export
from ftorch_bridge.tables import table_of_numbers


@dataclass(frozen=True)
class Overhead:
    """Medians over turns of a thousand calls each, on one thread [µs a call], and growth of the heap [bytes]."""

    raw_us: float
    """LibTorch alone: ``module.forward`` in C++ on tensors that are ready."""
    forward_us: float
    plan_us: float
    forward_minus_raw_us: float
    """Median of the differences within one turn."""
    plan_minus_raw_us: float
    calls: int
    """Calls of each over which the heap was watched."""
    forward_heap_growth_bytes: int
    plan_heap_growth_bytes: int

    @classmethod
    def parse(cls, printed: str) -> Overhead:
        """From what the program prints: a name and a value on each line."""
        found = dict(line.split() for line in printed.splitlines() if line.strip())
        kinds = {"calls": int, "forward_heap_growth_bytes": int, "plan_heap_growth_bytes": int}
        return cls(**{name: kinds.get(name, float)(found[name]) for name in cls.__dataclass_fields__})

    def to_dict(self) -> dict[str, object]:
        """Everything, for JSON."""
        return {**asdict(self), "machine": machine_facts()}

    def table(self) -> Table:
        """For people."""
        headings = ("median [µs]", "beyond LibTorch [µs]", f"heap after {self.calls:,} calls [bytes]")
        table = table_of_numbers("one call of Linear(5, 5) on one row, one thread", "", *headings)
        table.add_row("LibTorch alone, tensors ready", f"{self.raw_us:.2f}", "", "")
        table.add_row("plan%run", f"{self.plan_us:.2f}", f"{self.plan_minus_raw_us:+.2f}", f"{self.plan_heap_growth_bytes:+,}")
        table.add_row(
            "net%forward, views made in the call",
            f"{self.forward_us:.2f}",
            f"{self.forward_minus_raw_us:+.2f}",
            f"{self.forward_heap_growth_bytes:+,}",
        )
        return table


def run_overhead(calls: int) -> Overhead:
    """Measure with a Linear(5, 5) that is exported for it."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "linear.pt"
        module = torch.nn.Linear(5, 5).eval()
        manifest = describe(module, "linear", "float32", ["x:float32[row,5]"], ["y:float32[row,5]"], {})
        export(module, manifest, model, columns=None)
        return Overhead.parse(programs.run("radml-bench-overhead", model, str(calls), threads=1))
