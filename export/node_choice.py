"""Choose the nodes of any graph to quantize, by its structure, and group them in layers.

Quantized: convolutions and matrix products with stored weights, and the sums, ReLUs and poolings between convolutions.
Float: Softmax and products of two activations (their INT8 forms in ONNX Runtime are wrong without a warning),
normalisations, the state update of recurrent cells, GRU and LSTM operators, and the heads: the last weighted layers
before an output of the plan, where errors would be metres.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import onnx

from fsd.data.errors import ModelError, UsageError
from fsd.export.graph_index import GraphIndex, attribute
from fsd.export.layer_inputs import WEIGHTED, has_known_rows
from fsd.networks.network_cost import Tensor, operator_cost

SMALLEST_PRODUCT = 1024
"""Weights of the smallest matrix product that gains from 8 bits: smaller ones take less time than their conversion."""

FUSED = ("Relu", "Clip")
"""Part of the convolution before them."""

POOLED = ("Add", "MaxPool", "AveragePool", "GlobalAveragePool", "Concat")
"""Computed in 8 bits if they lie between convolutions."""

MOVES = ("Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Identity", "Dropout")
"""Change no value; pairs of quantizers move past them."""

QUANTIZED = (*WEIGHTED, *FUSED, *POOLED)


def choose_nodes(
    model: onnx.ModelProto, plan_outputs: Iterable[str] = (), include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> list[str]:
    """Names of the nodes to quantize, in the graph's order; every node needs a name of its own.

    Args:
        plan_outputs: the outputs that are the plan: the layers that make them stay in float. Outputs that only carry
            state have no such heads.
        include: patterns of node names to quantize as well; a weighted layer, or an operator of `QUANTIZED`.
        exclude: patterns of node names to leave in float; stronger than `include`.

    Raises:
        UsageError: a pattern matches no node that could be quantized.
        ModelError: no layer is left to quantize.
    """
    graph = GraphIndex(model)
    possible = [node.name for node in graph.nodes if _can_be_quantized(graph, node)]
    included, excluded = _matching(possible, include, "--include"), _matching(possible, exclude, "--exclude")
    heads, allowed = _heads(graph, plan_outputs), {*possible} - excluded
    weighted = {
        node.name
        for node in graph.nodes
        if node.name in allowed
        and node.op_type in WEIGHTED
        and (node.name in included or (node.name not in heads and _is_large(graph, node)))
    }
    weighted = _without_split_weights(graph, weighted)
    if not weighted:
        raise ModelError(
            "The graph has no layer to quantize: no convolution or matrix product with stored float32 weights, or only "
            f"small ones and heads ({', '.join(sorted(heads)[:3]) or 'none'}). Name some with `--include`."
        )
    between = _between(graph, weighted, excluded)
    chosen = weighted | between | (included - excluded)
    return [node.name for node in graph.nodes if node.name in chosen]


def with_patterns(
    model: onnx.ModelProto, nodes: Sequence[str], include: Sequence[str], exclude: Sequence[str]
) -> list[str]:
    """A choice of nodes with those added and taken out that patterns name.

    Raises:
        UsageError: a pattern matches no node that could be quantized.
    """
    graph = GraphIndex(model)
    possible = [node.name for node in graph.nodes if _can_be_quantized(graph, node)]
    included, excluded = _matching(possible, include, "--include"), _matching(possible, exclude, "--exclude")
    chosen = ({*nodes} | included) - excluded
    return [node.name for node in graph.nodes if node.name in chosen]


def activations_of(model: onnx.ModelProto, nodes: Iterable[str]) -> list[str]:
    """Float inputs and outputs of these nodes: the tensors to calibrate."""
    constants = {initializer.name for initializer in model.graph.initializer}
    wanted = set(nodes)
    names: dict[str, None] = {}
    for node in model.graph.node:
        if node.name in wanted:
            names.update(dict.fromkeys(name for name in (*node.input, *node.output) if name and name not in constants))
    return list(names)


def layers_of(model: onnx.ModelProto, nodes: Iterable[str]) -> dict[str, list[str]]:
    """Layer -> names of its nodes: a layer is a module with weights, and the sums and ReLUs that follow it.

    Named as the nodes without the operator after the last `/`; nodes that share weights are one layer.
    """
    chosen = set(nodes)
    constants = {initializer.name for initializer in model.graph.initializer}
    layer_of_tensor: dict[str, str] = {}
    layer_of_weights: dict[str, str] = {}
    layers: dict[str, list[str]] = {}
    for node in model.graph.node:
        # A residual sum belongs to the convolution that feeds it last.
        sources = [layer_of_tensor[name] for name in node.input if name in layer_of_tensor]
        has_weights = len(node.input) > 1 and node.input[1] in constants
        own = node.name.rpartition("/")[0] or node.name
        layer = sources[-1] if sources else own
        if node.name in chosen:
            layer = layer_of_weights.setdefault(node.input[1], own) if has_weights else layer
            layers.setdefault(layer, []).append(node.name)
        layer_of_tensor.update(dict.fromkeys(node.output, layer))
    return layers


def macs_of(model: onnx.ModelProto, nodes: Iterable[str]) -> dict[str, int]:
    """Layer of `layers_of` -> multiply-accumulates with its weights per tick; 0 where shapes are not known."""
    layers = {node: layer for layer, names in layers_of(model, nodes).items() for node in names}
    macs = dict.fromkeys(layers.values(), 0)
    for node, count in node_macs(model).items():
        if node in layers:
            macs[layers[node]] += count
    return macs


def node_macs(model: onnx.ModelProto) -> dict[str, int]:
    """Node of a float graph -> its multiply-accumulates per tick; nodes whose shapes are not known are left out."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.input, *graph.value_info, *graph.output)
    shapes = {each.name: tuple(axis.dim_value for axis in each.type.tensor_type.shape.dim) for each in values}
    shapes |= {constant.name: tuple(constant.dims) for constant in graph.initializer}
    macs = {}
    for node in graph.node:
        if all(name in shapes for name in (*node.input, *node.output) if name):
            inputs, outputs = (
                [Tensor("float", shapes[name]) for name in names if name] for names in (node.input, node.output)
            )
            macs[node.name] = operator_cost(node.name, node.op_type, inputs, outputs).macs
    return macs


def _can_be_quantized(graph: GraphIndex, node: onnx.NodeProto) -> bool:
    if node.op_type not in WEIGHTED:
        return node.op_type in QUANTIZED
    if len(node.input) < 2 or node.input[0] in graph.constants or not graph.is_float(node.input[1]):
        return False
    shape = graph.dims(node.input[1])
    if len(shape) < 2 or (node.op_type == "MatMul" and len(shape) != 2):
        return False
    if node.op_type == "Gemm" and not has_known_rows([node], shape):
        return False
    if len(node.input) < 3 or not node.input[2]:
        return True
    outputs = shape[0] if node.op_type == "Conv" or attribute(node, "transB", 0) else shape[1]
    return graph.is_float(node.input[2]) and graph.dims(node.input[2]) == (outputs,)


def _is_large(graph: GraphIndex, node: onnx.NodeProto) -> bool:
    rows, columns, *_ = graph.dims(node.input[1])
    return node.op_type == "Conv" or rows * columns >= SMALLEST_PRODUCT


def _heads(graph: GraphIndex, outputs: Iterable[str]) -> set[str]:
    """Names of the last weighted layers before each output."""
    heads: set[str] = set()
    seen: set[str] = set()
    waiting = [name for name in outputs if name in graph.producer]
    while waiting:
        name = waiting.pop()
        node = graph.producer.get(name)
        if node is None or name in seen:
            continue
        seen.add(name)
        if node.op_type in WEIGHTED and len(node.input) > 1 and node.input[1] in graph.constants:
            heads.add(node.name)
        else:
            waiting += graph.activations(node)
    return heads


def _without_split_weights(graph: GraphIndex, weighted: set[str]) -> set[str]:
    """Leaves out the layers whose weights are also read by nodes that stay in float, or in another order."""
    kept = set()
    for node in graph.nodes:
        if node.name not in weighted:
            continue
        readers = graph.readers[node.input[1]]
        if {reader.name for reader in readers} <= weighted and (
            len(readers) == 1 or has_known_rows(readers, graph.dims(node.input[1]))
        ):
            kept.add(node.name)
    return kept


def _between(graph: GraphIndex, weighted: set[str], excluded: set[str]) -> set[str]:
    """Sums, ReLUs and poolings whose inputs come from convolutions; all but ReLUs also lead to one."""
    from_convolutions = {
        name for node in graph.nodes if node.op_type == "Conv" and node.name in weighted for name in node.output
    }
    found: set[str] = set()
    for node in graph.nodes:
        is_candidate = node.op_type in (*FUSED, *POOLED) and node.name not in excluded
        sources = graph.activations(node)
        if (is_candidate or node.op_type in MOVES) and sources and all(name in from_convolutions for name in sources):
            if node.op_type == "Add" and len(sources) < 2:
                continue  # of a constant: not a residual sum
            if node.op_type == "Clip" and not _starts_at_zero(graph, node):
                continue
            from_convolutions.update(node.output)
            if is_candidate:
                found.add(node.name)
    chosen: set[str] = set()
    leads_to = {name for node in graph.nodes if node.name in weighted for name in node.input[:1]}
    for node in reversed(graph.nodes):
        is_between = any(name in leads_to for name in node.output)
        if node.name in found and (is_between or node.op_type in FUSED):
            chosen.add(node.name)
        if is_between and (node.name in found or node.op_type in MOVES):
            leads_to.update(graph.activations(node))
    return chosen


def _starts_at_zero(graph: GraphIndex, node: onnx.NodeProto) -> bool:
    """Whether a Clip is a ReLU with an upper end."""
    return len(node.input) > 1 and graph.is_float(node.input[1]) and float(graph.array(node.input[1])) == 0.0


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a pattern matches a node's name, or a module that it lies in: the name up to one of its `/`."""
    parts = [name]
    while "/" in parts[-1]:
        parts.append(parts[-1].rpartition("/")[0])
    return any(fnmatchcase(part, pattern) for part in parts for pattern in patterns)


def _matching(names: Sequence[str], patterns: Sequence[str], option: str) -> set[str]:
    """Names that match a pattern."""
    found: set[str] = set()
    for pattern in patterns:
        matched = {name for name in names if matches(name, [pattern])}
        if not matched:
            raise UsageError(
                f"{option} {pattern!r} matches no node that can be quantized. The first are: "
                f"{', '.join(names[:5]) or 'none'}."
            )
        found |= matched
    return found
