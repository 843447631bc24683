"""INT8 recipes per runtime: integer types, symmetry, and placement of the Q/DQ pairs.

Values only, without ONNX Runtime; `quantize.py` applies them. There is no single INT8 file, because the network runs
2-3x slower with the recipe of another runtime (docs/export.md).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """The form of INT8 that one runtime needs.

    Attributes:
        target: the runtime's name, as in `--target`.
        activation_type, weight_type: members of ONNX Runtime's `QuantType`.
        symmetric: explicit quantization as TensorRT 10 and 11 and OpenVINO read it: zero points of 0, float biases,
            float weights each behind a Q/DQ pair, one consumer per pair. False: ONNX Runtime's own form with any zero
            point, int8 weights, int32 biases and shared pairs.
    """

    target: str
    activation_type: str
    weight_type: str
    symmetric: bool

    def summary(self) -> dict[str, str]:
        """Description for the model's metadata."""
        symmetry = "symmetric" if self.symmetric else "asymmetric"
        return {
            "format": "QDQ",
            "activations": f"{self.activation_type}, {symmetry}, per tensor",
            "weights": f"{self.weight_type}, per channel, "
            + ("float behind Q/DQ pairs" if self.symmetric else "rounded so that no two products saturate"),
            "biases": "float" if self.symmetric else "int32",
        }

    def quantizer_options(self) -> dict[str, object]:
        """`extra_options` of ONNX Runtime's quantizer."""
        return {
            "ActivationSymmetric": self.symmetric,
            "QuantizeBias": not self.symmetric,
            "DedicatedQDQPair": self.symmetric,
            "AddQDQPairToWeight": self.symmetric,
            # Float results of integer products: exact residuals into LayerNorm, at no cost in ONNX Runtime.
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
