"""Feed uint8 pixels to the quantized network without loss: (pixel - 128) / 64 is itself a quantization.

A calibrated scale would leave the first convolution in float (ONNX Runtime, 2x slower) or round every pixel. So would a
bias quantized for another scale; therefore the quantizer is given the range of the bytes.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import onnx
from onnx import numpy_helper

from fsd.data.errors import ModelError
from fsd.networks.encoders import PIXEL_MEAN, PIXEL_SCALE

SCALE, ZERO_POINT = "pixel_scale", "pixel_zero_point"
BYTE_RANGE = ((0 - PIXEL_MEAN) * PIXEL_SCALE, (255 - PIXEL_MEAN) * PIXEL_SCALE)
"""Values of the bytes 0 and 255; the range over 255 steps is exactly `PIXEL_SCALE`."""


def images_into(model: onnx.ModelProto, nodes: Collection[str]) -> list[str]:
    """Tensor names of the scaled images (retina, patches) that these nodes of the float model read."""
    producer = {output: node for node in model.graph.node for output in node.output}
    entered: dict[str, None] = {}
    for node in model.graph.node:
        if node.name not in nodes:
            continue
        chain = _leads_from_bytes(node.input[0], producer, ["Mul", "Sub", "Cast"])
        if chain and _scaling(model, chain) == (PIXEL_SCALE, PIXEL_MEAN):
            entered[node.input[0]] = None
    return list(entered)


def feed_bytes(model: onnx.ModelProto, images: int) -> None:
    """Let the first convolution of each trunk dequantize the uint8 pixels (asymmetric uint8 recipes).

    Replaces Cast -> Sub -> Mul -> QuantizeLinear -> DequantizeLinear by one DequantizeLinear with the equivalent scale
    and zero point, which is exact.

    Raises:
        ModelError: the pattern does not occur `images` times, so the file would be slow without a warning.
    """
    graph = model.graph
    chains = _expect(list(_chains(model)), images)
    for chain in chains:
        for dequantizer in [node for node in graph.node if chain[0].output[0] in node.input]:
            dequantizer.input[:] = [chain[-1].input[0], SCALE, ZERO_POINT]
    for node in {node.output[0]: node for chain in chains for node in chain}.values():
        graph.node.remove(node)
    _add_constants(model, np.array(PIXEL_MEAN, np.uint8))


def round_no_pixel(model: onnx.ModelProto, images: int) -> None:
    """Set each image's Q/DQ pairs to scale 1/64 and zero point 0 (symmetric int8 recipes): pixel - 128, exactly.

    Raises:
        ModelError: the pattern does not occur `images` times.
    """
    for chain in _expect(list(_chains(model)), images):
        quantizer = chain[0]
        for node in model.graph.node:
            if node is quantizer or quantizer.output[0] in node.input:
                node.input[1:] = [SCALE, ZERO_POINT]
    _add_constants(model, np.array(0, np.int8))


def _chains(model: onnx.ModelProto) -> Iterator[list[onnx.NodeProto]]:
    """Every quantizer of a scaled image with the nodes before it: QuantizeLinear, Mul, Sub, Cast."""
    producer = {output: node for node in model.graph.node for output in node.output}
    for quantizer in [node for node in model.graph.node if node.op_type == "QuantizeLinear"]:
        chain = _leads_from_bytes(quantizer.output[0], producer, ["QuantizeLinear", "Mul", "Sub", "Cast"])
        if chain and _scaling(model, chain[1:]) == (PIXEL_SCALE, PIXEL_MEAN):
            yield chain


def _leads_from_bytes(
    name: str, producer: Mapping[str, onnx.NodeProto], operators: Sequence[str]
) -> list[onnx.NodeProto]:
    """The nodes that produce a tensor, last first, if they have exactly these types; else none."""
    chain: list[onnx.NodeProto] = []
    for operator in operators:
        node = producer.get(name)
        if node is None or node.op_type != operator:
            return []
        chain.append(node)
        name = node.input[0]
    return chain


def _scaling(model: onnx.ModelProto, chain: Sequence[onnx.NodeProto]) -> tuple[float, ...]:
    """The constants of a Mul and a Sub; nothing if they are no single numbers."""
    constants = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer if not entry.dims}
    return tuple(float(constants[node.input[1]]) for node in chain[:2] if node.input[1] in constants)


def _expect(chains: list[list[onnx.NodeProto]], images: int) -> list[list[onnx.NodeProto]]:
    if len(chains) != images:
        raise ModelError(f"Expected {images} images scaled as (pixel - mean) * scale, found {len(chains)}.")
    return chains


def _add_constants(model: onnx.ModelProto, zero_point: np.ndarray) -> None:
    """Add the pixels' scale and zero point; remove constants that are no longer used."""
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array(PIXEL_SCALE, np.float32), SCALE))
    graph.initializer.append(numpy_helper.from_array(zero_point, ZERO_POINT))
    used = {name for node in graph.node for name in node.input}
    for initializer in [entry for entry in graph.initializer if entry.name not in used]:
        graph.initializer.remove(initializer)
