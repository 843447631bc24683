"""Export the PyTorch network as one ONNX graph with the contract's names and static shapes, optionally with a batch.

Deterministic: the same bytes every time. Quantization and metadata are later steps.
"""

import ast
import copy
import logging
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import onnx
import onnxscript.optimizer
import torch
from torch import Tensor, nn

from fsd.data.errors import ModelError
from fsd.export.config import BATCH_AXIS, DEFAULT_OPSET
from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks.contract import input_shapes, output_shapes
from fsd.networks.input_buffers import InputBuffers
from fsd.networks.model import DrivingNetwork
from fsd.networks.model_metadata import check_tensors

MAX_BATCH = 4096
SCOPES_KEY = "pkg.torch.onnx.name_scopes"
"""Property in which torch's exporter records the module of a node: its only stable name."""

FORBIDDEN_OPERATORS = frozenset({"TopK", "Scatter", "ScatterND", "ScatterElements", "NonZero", "Loop", "If", "Scan"})


class ContractModule(nn.Module):
    """The network with positional inputs and outputs in the contract's order, for the exporter."""

    def __init__(self, network: DrivingNetwork) -> None:
        super().__init__()
        self.network = network
        self.input_names = tuple(input_shapes(network.config.budget))
        self.output_names = tuple(output_shapes(len(hypotheses_mps2(network))))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        outputs = contract_outputs(self.network(**dict(zip(self.input_names, inputs, strict=True))))
        return tuple(outputs[name] for name in self.output_names)


def hypotheses_mps2(network: DrivingNetwork) -> tuple[float, ...]:
    """Acceleration now of each hypothesis of the network; empty without them."""
    if not network.config.has_hypotheses:
        return ()
    return tuple(round(float(value), 4) for value in network.plan_head.hypotheses.anchors)


def contract_outputs(outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The network's outputs as files have them: probabilities of the hypotheses in place of logits."""
    logits = outputs.get("hypothesis")
    return dict(outputs) if logits is None else {**outputs, "hypothesis": torch.softmax(logits, dim=-1)}


def export_onnx(network: DrivingNetwork, opset: int = DEFAULT_OPSET, free_batch: bool = False) -> onnx.ModelProto:
    """Export a network in evaluation mode; nodes are named after its modules, and source paths are removed.

    Args:
        free_batch: give every input and output a first axis of free size, `BATCH_AXIS`.

    Raises:
        ModelError: the graph does not fit the contract, or uses an operator without static output shapes.
    """
    budget = network.config.budget
    feeds = InputBuffers(budget)
    feeds.load(next(synthetic_steps(budget, 1)))
    sample = tuple(torch.from_numpy(array.copy()) for array in feeds.arrays.values())
    axes = None
    if free_batch:
        # Two rows: the exporter would treat a batch size of one as a constant.
        sample = tuple(torch.stack([tensor, tensor]) for tensor in sample)
        batch = torch.export.Dim(BATCH_AXIS, min=1, max=MAX_BATCH)
        axes = (tuple({0: batch} for _ in sample),)
    module = ContractModule(network.eval()).eval()
    with quiet():
        program = torch.onnx.export(
            module,
            sample,
            dynamo=True,
            opset_version=opset,
            input_names=list(module.input_names),
            output_names=list(module.output_names),
            optimize=True,
            external_data=False,
            dynamic_shapes=axes,
            verbose=False,  # it prints emoji otherwise
        )
    assert program is not None
    model = program.model_proto
    name_nodes(model, root="network")
    strip(model)
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    onnx.checker.check_model(model, full_check=True)
    _check_graph(model, network, free_batch)
    return model


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """Fold constants and remove redundant nodes until the graph no longer shrinks; does not change `model`."""
    simpler, nodes = copy.deepcopy(model), None
    with quiet():
        while nodes != len(simpler.graph.node):
            nodes = len(simpler.graph.node)
            simpler = onnxscript.optimizer.optimize(simpler)
    strip(simpler)
    simpler = onnx.shape_inference.infer_shapes(simpler, strict_mode=True, data_prop=True)
    onnx.checker.check_model(simpler, full_check=True)
    return simpler


def serialise(model: onnx.ModelProto) -> bytes:
    """The file content, deterministic."""
    return model.SerializeToString(deterministic=True)


def tensor_shapes(values: Iterator[onnx.ValueInfoProto]) -> dict[str, tuple[tuple[int, ...], str]]:
    """Name -> (shape, dtype) of graph inputs or outputs; a free dimension is -1."""
    found = {}
    for value in values:
        tensor = value.type.tensor_type
        shape = tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        found[value.name] = (shape, dtype.name)
    return found


def scopes_of(node: onnx.NodeProto) -> list[str]:
    """The modules that a node of torch's exporter lies in, outermost first; the last is the call itself."""
    properties = {entry.key: entry.value for entry in node.metadata_props}
    return [str(scope) for scope in ast.literal_eval(properties.get(SCOPES_KEY, "[]"))]


def _check_graph(model: onnx.ModelProto, network: DrivingNetwork, free_batch: bool) -> None:
    lead = (-1,) if free_batch else ()
    for kind, wanted, actual in (
        ("input", input_shapes(network.config.budget), model.graph.input),
        ("output", output_shapes(len(hypotheses_mps2(network))), model.graph.output),
    ):
        expected = {name: ((*lead, *shape), dtype) for name, (shape, dtype) in wanted.items()}
        check_tensors("The exported graph", kind, expected, tensor_shapes(actual))
    forbidden = sorted({node.op_type for node in model.graph.node} & FORBIDDEN_OPERATORS)
    if forbidden:
        raise ModelError(
            f"The exported graph uses {', '.join(forbidden)}, which accelerators cannot run with static shapes. "
            "Express that part of the network with matrix products and masks."
        )


def name_nodes(model: onnx.ModelProto, root: str = "") -> None:
    """Name nodes `<module path>/<operator>`, numbered if a module has several; quantization and reports use it.

    Args:
        root: outermost module, which is left out of the path.
    """
    seen: Counter[str] = Counter()
    for node in model.graph.node:
        scopes = scopes_of(node)
        # The last scope is the call itself; the one before it is the innermost module.
        module = scopes[-2].removeprefix(root).removeprefix(".") if len(scopes) > 1 else ""
        name = f"{module}/{node.op_type}" if module else node.op_type
        seen[name] += 1
        node.name = name if seen[name] == 1 else f"{name}_{seen[name]}"


def strip(model: onnx.ModelProto) -> None:
    """Remove machine-specific content: source paths, stack traces, the exporter's notes."""
    graph = model.graph
    for entry in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del entry.metadata_props[:]
        entry.doc_string = ""
    graph.name = "fsd"
    model.producer_name, model.producer_version, model.domain, model.model_version = "fsd", "", "", 0
    del model.functions[:]


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the exporter's warnings and its reports of what it optimised, and those of the libraries it calls."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnx_ir", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
