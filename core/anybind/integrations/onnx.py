"""The map of a space to the joint space as an ONNX file: raw vectors in, what ``Binder.embed`` gives out.

The graph computes in float64, as ``embed`` does, between float32 vectors and float32 embeddings; it needs no
operator later than opset 17. The encoder itself is not in it. Needs the extra ``onnx`` to export;
whatever runs the file needs an ONNX runtime only.
"""

from __future__ import annotations

import math
from functools import singledispatchmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from anybind.errors import UsageError
from anybind.features import FourierMap, NystroemMap
from anybind.integrations.common import imported, write_files
from anybind.joint_map import joint_steps
from anybind.methods.memory import Memory
from anybind.steps import Gelu, Linear, Shift, SideBySide, Steps, UnitLength
from anybind.version import installed_version

if TYPE_CHECKING:
    from anybind.binder import Binder

INPUT, OUTPUT = "vectors", "embeddings"
_OPSET, _IR_VERSION = 17, 8
_SMALLEST_LENGTH = 1e-300


def export_onnx(binder: Binder, space: str, path: str | Path) -> Path:
    """Write the map of a space to the joint space.

    Args:
        binder: A fitted binder.
        space: One of its spaces.
        path: The file. Its input ``vectors`` is (n, dim) float32, its output ``embeddings`` (n, r) float32.

    Returns:
        The file.

    Raises:
        PluginError: onnx is not installed.
        UnknownNameError, NoPathError: as ``Binder.embed``.
        UsageError: the method does not tell its steps.
        ArtifactError: the file cannot be written.
    """
    onnx, steps, path = imported("onnx"), joint_steps(binder, space), Path(path)
    info = binder.spaces[space]
    width = binder.embed(space, torch.zeros(1, info.dim)).shape[1]
    graph = _Graph(onnx)
    graph.named("Cast", OUTPUT, graph.along(steps, graph.double(INPUT)), to=onnx.TensorProto.FLOAT)
    told = {"method": binder.method_name, "space": space, "encoder": info.encoder, "revision": info.revision}
    model = graph.model(info.dim, width, {name: value for name, value in told.items() if value is not None})
    write_files(path.parent, {path.name: model.SerializeToString()})
    return path


class _Graph:
    """A graph that grows by operators; names of values are numbers."""

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def named(self, operator: str, output: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator whose outcome has a given name."""
        self._nodes.append(self._onnx.helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def op(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator; the name of its outcome."""
        return self.named(operator, f"value{len(self._nodes)}", *inputs, **attributes)

    def double(self, value: str) -> str:
        """In float64."""
        return self.op("Cast", value, to=self._onnx.TensorProto.DOUBLE)

    def constant(self, value: torch.Tensor | float) -> str:
        """A constant, kept in its own precision and used in float64."""
        tensor = torch.as_tensor(value, dtype=torch.float64) if isinstance(value, float) else value
        name = f"constant{len(self._constants)}"
        array = tensor.detach().cpu().contiguous().numpy()
        self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name if tensor.dtype == torch.float64 else self.double(name)

    def times(self, rows: str, factor: float) -> str:
        return self.op("Mul", rows, self.constant(factor))

    def matmul(self, rows: str, matrix: torch.Tensor) -> str:
        return self.op("MatMul", rows, self.constant(matrix.contiguous()))

    def along(self, steps: Steps, rows: str) -> str:
        """All steps in turn."""
        for step in steps:
            rows = self.step(step, rows)
        return rows

    def model(self, dim: int, width: int, told: dict[str, str]) -> Any:
        """The whole model, checked."""
        helper, number = self._onnx.helper, self._onnx.TensorProto.FLOAT
        given = helper.make_tensor_value_info(INPUT, number, ["n", dim])
        found = helper.make_tensor_value_info(OUTPUT, number, ["n", width])
        graph = helper.make_graph(self._nodes, "anybind", [given], [found], initializer=self._constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION,
            producer_name="anybind", producer_version=installed_version(),
        )  # fmt: skip
        helper.set_model_props(model, told)
        self._onnx.checker.check_model(model)
        return model

    @singledispatchmethod
    def step(self, step: Any, rows: str) -> str:
        """Add a step of a map."""
        raise UsageError("a step of this binder's map cannot be written as ONNX", got=type(step).__name__,
                         expected="the steps of anybind's own methods")  # fmt: skip

    @step.register
    def _(self, step: UnitLength, rows: str) -> str:
        length = self.op("ReduceL2", rows, axes=[1], keepdims=1)
        return self.op("Div", rows, self.op("Max", length, self.constant(_SMALLEST_LENGTH)))

    @step.register
    def _(self, step: Shift, rows: str) -> str:
        return self.op("Add", rows, self.constant(step.by))

    @step.register
    def _(self, step: Linear, rows: str) -> str:
        return self.matmul(rows, step.matrix)

    @step.register
    def _(self, step: Gelu, rows: str) -> str:
        # the error function exists in float32 only
        scaled = self.op("Cast", self.times(rows, math.sqrt(0.5)), to=self._onnx.TensorProto.FLOAT)
        share = self.op("Add", self.double(self.op("Erf", scaled)), self.constant(1.0))
        return self.times(self.op("Mul", rows, share), 0.5)

    @step.register
    def _(self, step: SideBySide, rows: str) -> str:
        return self.times(self.op("Concat", *(self.along(steps, rows) for steps in step.maps), axis=1), step.scale)

    @step.register
    def _(self, step: NystroemMap, rows: str) -> str:
        landmarks = step.landmarks.to(torch.float64)
        own = self.op("ReduceSumSquare", rows, axes=[1], keepdims=1)
        sums = self.op("Add", own, self.constant(landmarks.square().sum(1)))
        both = self.times(self.matmul(rows, step.landmarks.T), 2.0)
        squares = self.op("Relu", self.op("Sub", sums, both))
        distances = squares if step.kernel == "gaussian" else self.op("Sqrt", squares)
        return self.matmul(self.op("Exp", self.times(distances, -step.gamma)), step.root)

    @step.register
    def _(self, step: FourierMap, rows: str) -> str:
        angles = self.matmul(rows, step.frequencies)
        waves = self.op("Concat", self.op("Cos", angles), self.op("Sin", angles), axis=1)
        return self.times(waves, 1 / math.sqrt(step.frequencies.shape[1]))

    @step.register
    def _(self, step: Memory, rows: str) -> str:
        similar = self.op("Relu", self.matmul(rows, step.near.T))
        highest = self.op("ReduceMax", similar, axes=[1], keepdims=1)
        similar = self.op("Div", similar, self.op("Max", highest, self.constant(_SMALLEST_LENGTH)))
        if step.neighbours < len(step.near):
            similar = self._largest(similar, step.neighbours)
        return self.step(UnitLength(), self.matmul(self.op("Pow", similar, self.constant(step.power)), step.far))

    def _largest(self, table: str, count: int) -> str:
        """A table of non-negative numbers with all but the ``count`` largest of every row set to zero."""
        number = f"constant{len(self._constants)}"
        self._constants.append(self._onnx.helper.make_tensor(number, self._onnx.TensorProto.INT64, [1], [count]))
        values, _ = f"values{len(self._nodes)}", f"places{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node("TopK", [table, number], [values, _], axis=1))
        smallest = self.op("ReduceMin", values, axes=[1], keepdims=1)
        return self.op("Mul", table, self.double(self.op("GreaterOrEqual", table, smallest)))
