"""The C interface of libradml on NumPy arrays; ftorch_bridge.coupling is the module to use."""

from collections.abc import Sequence
from enum import IntEnum
from os import PathLike
from typing import Any

from numpy.typing import NDArray

class Status(IntEnum):
    SUCCESS = 0
    MISSING_FILE = 1
    INVALID_FILE = 2
    UNKNOWN_DEVICE = 3
    MISSING_DEVICE = 4
    NOT_LOADED = 5
    WRONG_INPUT_COUNT = 6
    WRONG_OUTPUT_COUNT = 7
    WRONG_RANK = 8
    WRONG_SHAPE = 9
    WRONG_KIND = 10
    INVALID_ARRAY = 11
    MODEL_FAILED = 12
    WRONG_OUTPUT_TYPE = 13
    WRONG_INDEX = 14
    MISSING_KEY = 15
    WRONG_ARGUMENT = 16
    OUT_OF_MEMORY = 17
    INTERNAL_ERROR = 18
    NOT_DIFFERENTIABLE = 19
    WITHOUT_TORCH = 20
    NOT_FINITE = 21

class RadmlError(RuntimeError):
    def __init__(self, status: Status, message: str) -> None: ...
    @property
    def status(self) -> Status: ...
    @property
    def message(self) -> str: ...

class ModelHandle:
    def __init__(self, path: str | bytes | PathLike[str], device: str) -> None: ...
    def close(self) -> None: ...
    def n_inputs(self) -> int: ...
    def n_outputs(self) -> int: ...
    def input_name(self, index: int) -> str: ...
    def output_name(self, index: int) -> str: ...
    def metadata(self, key: str) -> str: ...
    def forward(
        self,
        inputs: Sequence[NDArray[Any]],
        outputs: Sequence[NDArray[Any]],
        column_dimension: int | None = None,
        columns_per_block: int | None = None,
        threads: int | None = None,
        convert: bool = False,
    ) -> None: ...
    def vector_jacobian_product(
        self,
        inputs: Sequence[NDArray[Any]],
        cotangents: Sequence[NDArray[Any] | None],
        gradients: Sequence[NDArray[Any] | None],
        outputs: Sequence[NDArray[Any] | None] | None = None,
    ) -> None: ...
    def jacobian_vector_product(
        self,
        inputs: Sequence[NDArray[Any]],
        tangents: Sequence[NDArray[Any] | None],
        output_tangents: Sequence[NDArray[Any] | None],
        outputs: Sequence[NDArray[Any] | None] | None = None,
    ) -> None: ...

class PlanHandle:
    def __init__(
        self,
        model: ModelHandle,
        inputs: Sequence[NDArray[Any]],
        outputs: Sequence[NDArray[Any]],
        column_dimension: int | None = None,
        columns_per_block: int | None = None,
        threads: int | None = None,
        convert: bool = False,
    ) -> None: ...
    def run(self) -> None: ...
    def close(self) -> None: ...

class TrainerHandle:
    def __init__(
        self,
        path: str | bytes | PathLike[str],
        device: str,
        optimizer: str,
        learning_rate: float | None = None,
        momentum: float | None = None,
        weight_decay: float | None = None,
        beta1: float | None = None,
        beta2: float | None = None,
    ) -> None: ...
    def step(self, inputs: Sequence[NDArray[Any]], targets: Sequence[NDArray[Any] | None]) -> float: ...
    def loss(self, inputs: Sequence[NDArray[Any]], targets: Sequence[NDArray[Any] | None]) -> float: ...
    def forward(self, inputs: Sequence[NDArray[Any]], outputs: Sequence[NDArray[Any]]) -> None: ...
    def set_learning_rate(self, learning_rate: float) -> None: ...
    def save(self, path: str | bytes | PathLike[str]) -> None: ...
    def save_checkpoint(self, path: str | bytes | PathLike[str]) -> None: ...
    def load_checkpoint(self, path: str | bytes | PathLike[str]) -> None: ...
    def close(self) -> None: ...

def set_num_threads(n: int) -> None: ...
def get_num_threads() -> int: ...
def version() -> str: ...
def torch_version() -> str: ...
def abi_version() -> int: ...
