"""How each runtime wants its INT8: integer types, symmetry, and where the Q/DQ pairs go.

Values only, without ONNX Runtime; `quantize.py` follows them. Measured (docs/export.md): the same network runs 2-3x
slower when a runtime is given another's form, so there is no single INT8 file.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How one runtime wants its INT8.

    Attributes:
        target: the runtime's name, as in `--target`.
        activation_type, weight_type: members of ONNX Runtime's `QuantType`.
        symmetric: the form of explicit quantization that TensorRT 10 and 11 and OpenVINO take: zero points of 0, biases
            in float, weights kept in float behind a Q/DQ pair of their own, one consumer to a pair. False is ONNX
            Runtime's own form: any zero point, int8 weights, int32 biases, shared pairs.
    """

    target: str
    activation_type: str
    weight_type: str
    symmetric: bool

    def summary(self) -> dict[str, str]:
        """For the metadata."""
        symmetry = "symmetric" if self.symmetric else "asymmetric"
        return {
            "format": "QDQ",
            "activations": f"{self.activation_type}, {symmetry}, per tensor",
            "weights": f"{self.weight_type}, per channel" + (", float behind Q/DQ pairs" if self.symmetric else ""),
            "biases": "float" if self.symmetric else "int32",
            "smoothing": "of channels that linear layers read from a LayerNorm (SmoothQuant)",
            "float": "Softmax, attention products, LayerNorm, token and memory geometry, memory, heads",
        }

    def quantizer_options(self) -> dict[str, object]:
        """`extra_options` of ONNX Runtime's quantizer."""
        return {
            "ActivationSymmetric": self.symmetric,
            "QuantizeBias": not self.symmetric,
            "DedicatedQDQPair": self.symmetric,
            "AddQDQPairToWeight": self.symmetric,
            # Float sums after integer products: exact residuals into LayerNorm, at no cost in ONNX Runtime.
            "OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"],
        }


RECIPES = {
    recipe.target: recipe
    for recipe in (
        Recipe("ort-cpu", "QUInt8", "QInt8", symmetric=False),
        Recipe("openvino", "QInt8", "QInt8", symmetric=True),
        Recipe("trt", "QInt8", "QInt8", symmetric=True),
    )
}
