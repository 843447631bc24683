"""Merge ONNX models that run one after the other into one graph.

Links hand an output on to an input of a later model; inputs of one name in several models become one input.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import onnx
from onnx import compose, helper, numpy_helper, version_converter

from fsd.data.errors import ModelError
from fsd.export.onnx_export import tensor_shapes


class Link(Protocol):
    """An output of an earlier model that fills an input of a later one, whole or from number `start` on."""

    @property
    def output(self) -> str: ...
    @property
    def input(self) -> str: ...
    @property
    def start(self) -> int | None: ...


def merge_models(models: Sequence[onnx.ModelProto], links: Sequence[Link], origin: str) -> onnx.ModelProto:
    """One model of several with static shapes, in the order in which they run; their outputs remain outputs.

    Raises:
        ModelError: a link fits no pair of models, two models have an output of one name, or an input of one name and
            two shapes, or their opsets cannot be made the same.
    """
    merged = onnx.ModelProto()
    merged.CopyFrom(_with_opset(models, origin)[0])
    graph = merged.graph
    used: set[str] = set()
    for number, model in enumerate(_with_opset(models, origin)[1:], start=2):
        # What is inside gets a prefix; inputs and outputs keep their names.
        later = compose.add_prefix(model, f"m{number}/", rename_inputs=False, rename_outputs=False).graph
        given, taken = tensor_shapes(graph.output), tensor_shapes(later.input)
        twice = given.keys() & tensor_shapes(later.output).keys()
        if twice:
            raise ModelError(f"{origin}: two models have an output {min(twice)!r}. Rename it in one of them.")
        fits = [link for link in links if link.input in taken and link.output in given]
        used |= {link.input for link in fits}
        for link in fits:
            _check(link, given[link.output], taken[link.input], origin)
            _rename_reads(later, link.input, f"link{number}/{link.input}")
            graph.node.extend(_link_nodes(link, given[link.output], taken[link.input], f"link{number}/{link.input}"))
            constants = {"shape": np.array(taken[link.input][0], np.int64)}
            if link.start is not None:
                size = int(np.prod(taken[link.input][0]))
                constants |= {"from": np.array([link.start]), "to": np.array([link.start + size])}
                constants["flat"] = np.array([-1])
            graph.initializer.extend(
                numpy_helper.from_array(value, f"link{number}/{link.input}/{name}") for name, value in constants.items()
            )
        filled, present = {link.input for link in fits}, tensor_shapes(graph.input)
        for value in later.input:
            name = value.name
            if name in present and present[name] != taken[name]:
                raise ModelError(f"{origin}: two models have an input {name!r} of different shapes. Rename it in one.")
            if name in given and name not in filled:
                raise ModelError(
                    f"{origin}: {name!r} is an output and an input. Say in `links` that one fills the other."
                )
            if name not in present and name not in filled:
                graph.input.append(value)
        graph.node.extend(later.node)
        graph.initializer.extend(later.initializer)
        graph.output.extend(later.output)
        _add_domains(merged, model)
    unused = [link for link in links if link.input not in used]
    if unused:
        raise ModelError(
            f"{origin}: the link from {unused[0].output!r} to {unused[0].input!r} fits no pair of models. Give the "
            "files in the order in which they run, and names of their outputs and inputs in `links`."
        )
    del graph.value_info[:]
    return onnx.shape_inference.infer_shapes(merged, data_prop=True)


def _with_opset(models: Sequence[onnx.ModelProto], origin: str) -> list[onnx.ModelProto]:
    """The models, with the newest of their opsets."""
    newest = max(map(_opset, models))
    try:
        return [each if _opset(each) == newest else version_converter.convert_version(each, newest) for each in models]
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"{origin}: one model cannot be converted to opset {newest}: {reason}") from error


def _opset(model: onnx.ModelProto) -> int:
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=1)


def _check(link: Link, given: tuple[tuple[int, ...], str], taken: tuple[tuple[int, ...], str], origin: str) -> None:
    available, needed = int(np.prod(given[0])), int(np.prod(taken[0]))
    if (link.start is None and available != needed) or (link.start or 0) + needed > available:
        raise ModelError(
            f"{origin}: the link to {link.input!r} needs {needed} numbers from {link.start or 0} on, and "
            f"{link.output!r} has {available}."
        )


def _link_nodes(
    link: Link, given: tuple[tuple[int, ...], str], taken: tuple[tuple[int, ...], str], target: str
) -> list[onnx.NodeProto]:
    """Nodes that make the input of an output: the part, the type and the shape that it takes."""
    nodes, now = [], link.output
    if link.start is not None:
        nodes.append(helper.make_node("Reshape", [now, f"{target}/flat"], [f"{target}/row"], name=f"{target}/Flat"))
        bounds = [f"{target}/from", f"{target}/to"]
        now = f"{target}/part"
        nodes.append(helper.make_node("Slice", [f"{target}/row", *bounds], [now], name=f"{target}/Slice"))
    if given[1] != taken[1]:
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(taken[1]))
        nodes.append(helper.make_node("Cast", [now], [f"{target}/typed"], name=f"{target}/Cast", to=kind))
        now = f"{target}/typed"
    nodes.append(helper.make_node("Reshape", [now, f"{target}/shape"], [target], name=f"{target}/Reshape"))
    return nodes


def _rename_reads(graph: onnx.GraphProto, name: str, new_name: str) -> None:
    """Let all nodes that read a tensor read another, those in subgraphs included."""
    for node in graph.node:
        for place, read in enumerate(node.input):
            if read == name:
                node.input[place] = new_name
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    _rename_reads(inner, name, new_name)


def _add_domains(merged: onnx.ModelProto, model: onnx.ModelProto) -> None:
    known = {entry.domain for entry in merged.opset_import}
    merged.opset_import.extend(entry for entry in model.opset_import if entry.domain not in known)
    merged.ir_version = max(merged.ir_version, model.ir_version)
    merged.functions.extend(model.functions)
