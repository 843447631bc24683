"""Find the first layer at which two versions of the network diverge, on the same inputs.

Used after a failed parity check; reports the layer by its module name in the network.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from fsd.export.onnx_runner import open_model
from fsd.networks.input_buffers import InputBuffers
from fsd.networks.model import DrivingNetwork

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


def between_files(
    reference: onnx.ModelProto, candidate: onnx.ModelProto, feeds: InputBuffers, limit_db: float
) -> Divergence | None:
    """Compare the outputs of nodes with the same name in both files; None if there are none."""
    names = {node.name: node.output[0] for node in reference.graph.node}
    shared = [(node.name, node.output[0]) for node in candidate.graph.node if node.name in names]
    float_tensors = _float_tensors(reference) & _float_tensors(candidate)
    pairs = [(layer, names[layer], name) for layer, name in shared if {names[layer], name} <= float_tensors]
    expected = _watch(reference, [pair[1] for pair in pairs], feeds)
    actual = _watch(candidate, [pair[2] for pair in pairs], feeds)
    return _first([(layer, expected[mine], actual[other]) for layer, mine, other in pairs], limit_db)


def from_pytorch(
    network: DrivingNetwork, model: onnx.ModelProto, feeds: InputBuffers, limit_db: float
) -> Divergence | None:
    """Compare the outputs of PyTorch's modules with those of the nodes named after them."""
    recorded: dict[str, np.ndarray] = {}

    def record(name: str) -> Any:
        def hook(module: torch.nn.Module, inputs: object, output: object) -> None:
            if isinstance(output, torch.Tensor):
                recorded[name] = output.detach().cpu().numpy()

        return hook

    # Leaf modules with weights: the last node of such a module is its output.
    leaves = [pair for pair in network.named_modules() if not list(pair[1].children()) and list(pair[1].parameters())]
    handles = [module.register_forward_hook(record(name)) for name, module in leaves]
    try:
        with torch.inference_mode():
            network(**{name: torch.from_numpy(array) for name, array in feeds.arrays.items()})
    finally:
        for handle in handles:
            handle.remove()
    floats = _float_tensors(model)
    last = {node.name.rpartition("/")[0]: node.output[0] for node in model.graph.node if node.output[0] in floats}
    pairs = [(layer, name) for layer, name in last.items() if layer in recorded]
    actual = _watch(model, [name for _, name in pairs], feeds)
    same_shape = [(layer, name) for layer, name in pairs if recorded[layer].shape == actual[name].shape]
    return _first([(layer, recorded[layer], actual[name]) for layer, name in same_shape], limit_db)


def _first(triples: list[tuple[str, np.ndarray, np.ndarray]], limit_db: float) -> Divergence | None:
    found = [(layer, _sqnr_db(expected, actual)) for layer, expected, actual in triples]
    for layer, sqnr_db in found:
        if not sqnr_db >= limit_db:
            return Divergence(layer, sqnr_db, is_first=True)
    return Divergence(*min(found, key=lambda pair: pair[1]), is_first=False) if found else None


def _sqnr_db(expected: np.ndarray, actual: np.ndarray) -> float:
    """Signal over difference in dB; `SAME_DB` without a difference, also for two zero outputs."""
    wanted = expected.astype(np.float64)
    noise = float(((actual - wanted) ** 2).sum())
    if noise == 0:
        return SAME_DB
    return 10 * float(np.log10(max(float((wanted**2).sum()), 1e-30) / noise))


def _float_tensors(model: onnx.ModelProto) -> set[str]:
    typed = onnx.shape_inference.infer_shapes(model)
    values = [*typed.graph.value_info, *typed.graph.output]
    return {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT}


def _watch(model: onnx.ModelProto, names: list[str], feeds: InputBuffers) -> dict[str, np.ndarray]:
    """Values of tensors inside a model; without graph optimisation, which would remove some of them."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    present = {output.name for output in watched.graph.output}
    watched.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in dict.fromkeys(names)
        if name not in present
    )
    session = open_model(watched, optimise=False)
    wanted = list(dict.fromkeys(names))
    return dict(zip(wanted, session.run(wanted, feeds.arrays), strict=True))
