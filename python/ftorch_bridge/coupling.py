"""Models on NumPy arrays, through the same library that Fortran hosts call.

What `radml_torch` does from Fortran this does from Python, by the same C interface: no copy of inputs, results written into
the given arrays, every call checked against the model's manifest, the same messages. Numbers of dimensions count from 1, as in
Fortran and in the messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from types import TracebackType
from typing import Any, NamedTuple, Self

from numpy.typing import NDArray

try:
    import ftorch_bridge._radml as _radml  # noqa: PLR0402 - the other form does not tell a missing module from a broken one
    from ftorch_bridge._radml import RadmlError, Status
except ModuleNotFoundError as error:
    raise ImportError(
        f"this installation of ftorch_bridge has no compiled module _radml for this Python ({error}); it is built where "
        "pybind11 and Python's headers are found; or set RADML_PREFIX to an install prefix that has it"
    ) from error
except ImportError as error:
    raise ImportError(f"libradml cannot be loaded ({error}); ftorch-bridge doctor says more") from error

__all__ = ["Model", "Plan", "RadmlError", "Status", "Trainer", "Versions", "get_num_threads", "set_num_threads", "versions"]


class Model:
    """A loaded model, TorchScript (``.pt``) or package (``.pt2``). Any number of threads may use one at once."""

    def __init__(self, path: str | PathLike[str], device: str = "cpu") -> None:
        """Load ``path`` onto ``device`` (``"cpu"``, ``"cuda"`` or ``"cuda:N"``)."""
        self._handle = _radml.ModelHandle(path, device)

    def forward(
        self,
        inputs: Sequence[NDArray[Any]],
        outputs: Sequence[NDArray[Any]],
        *,
        column_dimension: int | None = None,
        columns_per_block: int | None = None,
        threads: int | None = None,
        convert: bool = False,
    ) -> None:
        """Run the model on ``inputs`` and write its results into ``outputs``, lists or tuples of arrays.

        With ``column_dimension`` (of the first output, from 1) the columns are computed in blocks of ``columns_per_block``
        (128 where absent), on ``threads`` threads (1). With ``convert`` float64 arrays may stand for float32 ones and the
        other way round. Raises :class:`RadmlError`; a call that fails has written nothing, unless it fails in a later block.
        """
        self._handle.forward(inputs, outputs, column_dimension, columns_per_block, threads, convert)

    def vector_jacobian_product(
        self,
        inputs: Sequence[NDArray[Any]],
        cotangents: Sequence[NDArray[Any] | None],
        gradients: Sequence[NDArray[Any] | None],
        *,
        outputs: Sequence[NDArray[Any] | None] | None = None,
    ) -> None:
        """The adjoint: ``gradients[i]`` becomes the sum over outputs j of ``cotangents[j]`` times d output j / d input i.

        Cotangents have the shapes and kinds of the outputs, gradients those of the inputs. None stands for a cotangent that is
        zero and for a gradient or output that is not wanted. ``outputs`` receives the results of the forward. Raises
        :class:`RadmlError`; a call that fails has written nothing.
        """
        self._handle.vector_jacobian_product(inputs, cotangents, gradients, outputs)

    def jacobian_vector_product(
        self,
        inputs: Sequence[NDArray[Any]],
        tangents: Sequence[NDArray[Any] | None],
        output_tangents: Sequence[NDArray[Any] | None],
        *,
        outputs: Sequence[NDArray[Any] | None] | None = None,
    ) -> None:
        """The tangent linear: ``output_tangents[j]`` becomes the sum over inputs i of d output j / d input i ``tangents[i]``.

        Otherwise as :meth:`vector_jacobian_product`.
        """
        self._handle.jacobian_vector_product(inputs, tangents, output_tangents, outputs)

    @property
    def n_inputs(self) -> int:
        """Number of inputs; without a manifest, the arguments of the model's forward, optional ones included."""
        return self._handle.n_inputs()

    @property
    def n_outputs(self) -> int | None:
        """Number of outputs; None without a manifest, where only a run tells."""
        n = self._handle.n_outputs()
        return None if n < 0 else n

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return tuple(self._handle.input_name(i + 1) for i in range(self.n_inputs))

    @property
    def output_names(self) -> tuple[str, ...] | None:
        """Names of the outputs, in order; None without a manifest."""
        n = self.n_outputs
        return None if n is None else tuple(self._handle.output_name(i + 1) for i in range(n))

    def metadata(self, key: str) -> str:
        """A text of the manifest: ``name``, ``torch``, or what the exporter was given."""
        return self._handle.metadata(key)

    def close(self) -> None:
        """Let the model go. Calls under way end undisturbed; later ones are refused. Closing again does nothing."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


class Plan:
    """A model bound to arrays: checked once, run many times on what the arrays hold at the time.

    The plan keeps its model and its arrays alive. Runs of one plan in several threads wait for each other.
    """

    def __init__(
        self,
        model: Model,
        inputs: Sequence[NDArray[Any]],
        outputs: Sequence[NDArray[Any]],
        *,
        column_dimension: int | None = None,
        columns_per_block: int | None = None,
        threads: int | None = None,
        convert: bool = False,
    ) -> None:
        """Check the arrays and bind them; the arguments are those of :meth:`Model.forward`."""
        self._handle = _radml.PlanHandle(model._handle, inputs, outputs, column_dimension, columns_per_block, threads, convert)

    def run(self) -> None:
        """Run the model on what the arrays hold now."""
        self._handle.run()

    def close(self) -> None:
        """Let the arrays and the model go. Closing again does nothing."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


class Trainer:
    """A TorchScript model whose parameters an optimizer updates. Calls of one trainer in threads wait for each other."""

    def __init__(
        self,
        path: str | PathLike[str],
        optimizer: str,
        *,
        learning_rate: float | None = None,
        momentum: float | None = None,
        weight_decay: float | None = None,
        beta1: float | None = None,
        beta2: float | None = None,
        device: str = "cpu",
    ) -> None:
        """Load ``path``, which must not be frozen, to train it with ``"sgd"`` or ``"adam"``.

        What is None is PyTorch's default: 1.0e-3, 0, 0, 0.9 and 0.999. ``momentum`` is an option of ``"sgd"``, ``beta1`` and
        ``beta2`` are options of ``"adam"``.
        """
        self._handle = _radml.TrainerHandle(path, device, optimizer, learning_rate, momentum, weight_decay, beta1, beta2)

    def step(self, inputs: Sequence[NDArray[Any]], targets: Sequence[NDArray[Any] | None]) -> float:
        """One step of the optimizer, in training mode; returns the loss before it.

        The loss is the mean, over the outputs that have a target, of each one's mean squared error; None stands for an output
        that does not count. Raises :class:`RadmlError`; a step that fails has changed neither the model nor the optimizer.
        """
        return self._handle.step(inputs, targets)

    def loss(self, inputs: Sequence[NDArray[Any]], targets: Sequence[NDArray[Any] | None]) -> float:
        """The same loss in evaluation mode, without a step."""
        return self._handle.loss(inputs, targets)

    def forward(self, inputs: Sequence[NDArray[Any]], outputs: Sequence[NDArray[Any]]) -> None:
        """Run the model with the parameters as they are, in evaluation mode."""
        self._handle.forward(inputs, outputs)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate from the next step on."""
        self._handle.set_learning_rate(learning_rate)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model, with its manifest, as a file for :class:`Model` and :class:`Trainer`."""
        self._handle.save(path)

    def save_checkpoint(self, path: str | PathLike[str]) -> None:
        """Write parameters, buffers and the optimizer's state and options: what it takes to go on to the same bits."""
        self._handle.save_checkpoint(path)

    def load_checkpoint(self, path: str | PathLike[str]) -> None:
        """Go on from a checkpoint of the same model and optimizer."""
        self._handle.load_checkpoint(path)

    def close(self) -> None:
        """Let the trainer go. Calls under way end undisturbed; later ones are refused. Closing again does nothing."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


class Versions(NamedTuple):
    """Versions of the loaded library."""

    radml: str
    torch: str
    """The LibTorch that libradml was built against."""
    abi: int
    """Version of the C interface."""


def versions() -> Versions:
    """Versions of libradml as it is loaded."""
    return Versions(_radml.version(), _radml.torch_version(), _radml.abi_version())


def set_num_threads(n: int) -> None:
    """Set the number of threads that LibTorch may use inside one forward."""
    _radml.set_num_threads(n)


def get_num_threads() -> int:
    """The number of threads that LibTorch may use inside one forward."""
    return _radml.get_num_threads()
