"""Write the small ONNX models that come with the package: four peak kernels and the integer-sum probe.

Run from the repository root when their sizes or the opset change: `python benchmarks/make_kernel_models.py`. Weights
are made inside the graph (`ConstantOfShape`), so that a file is a few hundred bytes; ONNX Runtime folds them when it
opens the file, before it creates kernels.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fsd.profile.operators.machine_peaks import CHANNELS, IMAGE_HW, MATRIX

KERNELS = Path("fsd/profile/operators/kernels")
PROBE = Path("networks/integer_sum_probe.onnx")
OPSET, IR_VERSION = 20, 9
FLOAT, UINT8, INT8, INT32 = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32
PADDING = [1, 1, 1, 1]


def one_operator(
    operator: str,
    activations: tuple[int, list[int]],
    weights: tuple[np.generic, list[int]],
    output: tuple[int, list[int]],
) -> onnx.ModelProto:
    """A model of one operator on `activations`, with equal weights; dtypes and shapes of each."""
    value, weight_shape = weights
    constants = {"weight_shape": np.array(weight_shape, np.int64)}
    inputs = ["activations", "weights"]
    if operator.startswith("QLinear"):
        constants |= {"scale": np.float32(0.05), "zero_u8": np.uint8(128), "zero_i8": np.int8(0)}
        inputs = ["activations", "scale", "zero_u8", "weights", "scale", "zero_i8", "scale", "zero_u8"]
    pads = {"pads": PADDING} if "Conv" in operator else {}
    nodes = [
        helper.make_node(
            "ConstantOfShape", ["weight_shape"], ["weights"], value=numpy_helper.from_array(np.array([value]))
        ),
        helper.make_node(operator, inputs, ["result"], **pads),
    ]
    graph = helper.make_graph(
        nodes,
        operator,
        [helper.make_tensor_value_info("activations", *activations)],
        [helper.make_tensor_value_info("result", *output)],
        [numpy_helper.from_array(np.asarray(constant), name) for name, constant in constants.items()],
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, producer_name="fsd", ir_version=IR_VERSION, opset_imports=[opset])
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Write all five files."""
    square, image, kernel = [MATRIX, MATRIX], [1, CHANNELS, *IMAGE_HW], [CHANNELS, CHANNELS, 3, 3]
    tenth, one = np.float32(0.1), np.int8(1)
    models = {
        KERNELS / "matmul_fp32.onnx": one_operator("MatMul", (FLOAT, square), (tenth, square), (FLOAT, square)),
        KERNELS / "conv_fp32.onnx": one_operator("Conv", (FLOAT, image), (tenth, kernel), (FLOAT, image)),
        KERNELS / "matmul_int8.onnx": one_operator("QLinearMatMul", (UINT8, square), (one, square), (UINT8, square)),
        KERNELS / "conv_int8.onnx": one_operator("QLinearConv", (UINT8, image), (one, kernel), (UINT8, image)),
        # The largest products there are, so that 16-bit sums of two of them saturate.
        PROBE: one_operator("MatMulInteger", (UINT8, [1, 64]), (np.int8(127), [64, 16]), (INT32, [1, 16])),
    }
    for path, model in models.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(model.SerializeToString(deterministic=True))
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
