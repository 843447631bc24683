"""Find the first layer at which two versions of a model diverge, on the same inputs.

Used after a failed parity check; reports the layer by the name of its node or module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto

from fsd.export.onnx_runner import Clip, Feeds, MakeFeeds, OnnxRunner, Reference, further_outputs, open_model
from fsd.export.parity import FP32, REFERENCE, ParityReport

if TYPE_CHECKING:
    from torch import nn

FLOAT_LIMIT_DB = 60.0
"""Float against float: rounding gives above 100 dB; a value below this has another cause."""

QUANTIZED_LIMIT_DB = 15.0
"""INT8 or FP16 against float: a correct 8-bit layer has 25-45 dB."""

SAME_DB = 300.0


@dataclass(frozen=True)
class Divergence:
    """The first layer, in graph order, whose output differs by more than the limit.

    `sqnr_db` is its signal over difference; `is_first` is False if no layer is below the limit, and this is the worst
    one.
    """

    layer: str
    sqnr_db: float
    is_first: bool

    def __str__(self) -> str:
        if self.is_first:
            return f"the first layer to diverge is {self.layer} ({self.sqnr_db:.0f} dB)"
        return f"no layer is below the limit; the worst is {self.layer} ({self.sqnr_db:.0f} dB)"


@dataclass(frozen=True)
class TorchModel:
    """A model in PyTorch: `run` calls `module`, whose parts are watched."""

    module: nn.Module
    run: Reference


def with_places(
    report: ParityReport,
    make_feeds: MakeFeeds,
    graphs: Mapping[str, onnx.ModelProto],
    others: Mapping[str, Path],
    clips: Iterable[Clip],
    pytorch: TorchModel | None = None,
) -> tuple[str, ...]:
    """The failures of a report, each with the first layer to diverge.

    Args:
        graphs: the float graph, `onnx_fp32`, and beginnings of names of `others` -> the float graph they were made of.
    """

    def place(name: str) -> str:
        graph = next((graph for start, graph in graphs.items() if name.startswith(start)), graphs[FP32])
        comparison = report.comparisons[name]
        if name.startswith(FP32) and comparison.reference != REFERENCE:
            return "The same file differs without graph optimisation."
        return locate(name, comparison.worst_tick, make_feeds, graph, others, clips, pytorch)

    return tuple(f"{sentence} {place(name)}" for name, sentence in zip(report.failed, report.failures, strict=True))


def locate(
    comparison: str,
    worst_tick: int,
    make_feeds: MakeFeeds,
    fp32: onnx.ModelProto,
    others: Mapping[str, Path],
    clips: Iterable[Clip],
    pytorch: TorchModel | None = None,
) -> str:
    """A sentence; `comparison` is a name of the parity report, `worst_tick` counts over all clips."""
    feeds = _feeds_at(fp32, make_feeds, clips, worst_tick)
    found = None
    if not comparison.startswith(FP32):
        name = max((name for name in others if comparison.startswith(name)), key=len)
        found = between_files(fp32, onnx.load(others[name]), feeds, QUANTIZED_LIMIT_DB)
    elif pytorch is not None:
        found = from_pytorch(pytorch, fp32, feeds, FLOAT_LIMIT_DB)
    if found is None:
        return "No layer could be compared."
    return f"At tick {worst_tick}, on the same inputs and state, {found}."


def _feeds_at(fp32: onnx.ModelProto, make_feeds: MakeFeeds, clips: Iterable[Clip], wanted: int) -> Feeds:
    """The float model's inputs and state at a tick."""
    runner = OnnxRunner(open_model(fp32), make_feeds)
    tick = 0
    for clip in clips:
        runner.reset()
        for step in clip:
            if tick == wanted:
                runner.feeds.load(step)
                return runner.feeds
            runner.step(step)
            tick += 1
    return runner.feeds


def between_files(
    reference: onnx.ModelProto, candidate: onnx.ModelProto, feeds: Feeds, limit_db: float
) -> Divergence | None:
    """Compare the outputs of nodes with the same name in both files; None if there are none."""
    names = {node.name: node.output[0] for node in reference.graph.node}
    shared = [(node.name, node.output[0]) for node in candidate.graph.node if node.name in names]
    float_tensors = _float_tensors(reference) & _float_tensors(candidate)
    pairs = [(layer, names[layer], name) for layer, name in shared if {names[layer], name} <= float_tensors]
    expected = _values(reference, [pair[1] for pair in pairs], feeds)
    actual = _values(candidate, [pair[2] for pair in pairs], feeds)
    return _first([(layer, expected[mine], actual[other]) for layer, mine, other in pairs], limit_db)


def from_pytorch(pytorch: TorchModel, model: onnx.ModelProto, feeds: Feeds, limit_db: float) -> Divergence | None:
    """Compare the outputs of PyTorch's modules with those of the nodes named after them."""
    import torch

    recorded: dict[str, np.ndarray] = {}

    def record(name: str) -> Any:
        def hook(module: torch.nn.Module, inputs: object, output: object) -> None:
            if isinstance(output, torch.Tensor):
                recorded[name] = output.detach().cpu().numpy()

        return hook

    # Leaf modules with weights: the last node of such a module is its output.
    modules = pytorch.module.named_modules()
    leaves = [pair for pair in modules if not list(pair[1].children()) and list(pair[1].parameters())]
    handles = [module.register_forward_hook(record(name)) for name, module in leaves]
    try:
        pytorch.run(feeds.arrays)
    finally:
        for handle in handles:
            handle.remove()
    floats = _float_tensors(model)
    last = {node.name.rpartition("/")[0]: node.output[0] for node in model.graph.node if node.output[0] in floats}
    pairs = [(layer, name) for layer, name in last.items() if layer in recorded]
    actual = _values(model, [name for _, name in pairs], feeds)
    same_shape = [(layer, name) for layer, name in pairs if recorded[layer].shape == actual[name].shape]
    return _first([(layer, recorded[layer], actual[name]) for layer, name in same_shape], limit_db)


def _first(triples: list[tuple[str, np.ndarray, np.ndarray]], limit_db: float) -> Divergence | None:
    found = [(layer, layer_sqnr_db(expected, actual)) for layer, expected, actual in triples]
    for layer, sqnr_db in found:
        if not sqnr_db >= limit_db:
            return Divergence(layer, sqnr_db, is_first=True)
    return Divergence(*min(found, key=lambda pair: pair[1]), is_first=False) if found else None


def layer_sqnr_db(expected: np.ndarray, actual: np.ndarray) -> float:
    """Signal over difference in dB; `SAME_DB` without one, also between two zero outputs and between two NaN."""
    differs = (expected != actual) & ~(np.isnan(expected) & np.isnan(actual))
    if not differs.any():
        return SAME_DB
    wanted = expected.astype(np.float64)
    noise = float(((actual[differs] - wanted[differs]) ** 2).sum())
    signal = float((wanted[np.isfinite(wanted)] ** 2).sum())
    return 10 * float(np.log10(max(signal, 1e-30) / noise))


def _float_tensors(model: onnx.ModelProto) -> set[str]:
    typed = onnx.shape_inference.infer_shapes(model)
    values = [*typed.graph.value_info, *typed.graph.output]
    return {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT}


def _values(model: onnx.ModelProto, names: list[str], feeds: Feeds) -> dict[str, np.ndarray]:
    """Values of tensors inside a model; without graph optimisation, which would remove some of them."""
    wanted = list(dict.fromkeys(names))
    with further_outputs(model, wanted):
        session = open_model(model, optimise=False)
    return dict(zip(wanted, session.run(wanted, dict(feeds.arrays)), strict=True))
