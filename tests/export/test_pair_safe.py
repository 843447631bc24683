from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fsd.data.errors import ModelError
from fsd.export.calibration import Calibration
from fsd.export.network_nodes import quantized_nodes
from fsd.export.pair_safe import saturating_pairs
from fsd.export.quantize import quantize
from fsd.export.recipes import RECIPES


def integers(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {
        entry.name: numpy_helper.to_array(entry)
        for entry in model.graph.initializer
        if entry.data_type == onnx.TensorProto.INT8 and len(entry.dims) > 1
    }


def test_no_two_products_of_the_exported_file_can_saturate(int8_model: onnx.ModelProto) -> None:
    assert len(integers(int8_model)) > 20
    assert saturating_pairs(int8_model) == 0


def test_weights_that_can_saturate_are_found(int8_model: onnx.ModelProto) -> None:
    spoilt = onnx.ModelProto()
    spoilt.CopyFrom(int8_model)
    entry = next(each for each in spoilt.graph.initializer if each.name in integers(spoilt) and len(each.dims) == 2)
    entry.CopyFrom(numpy_helper.from_array(np.full(entry.dims, 127, np.int8), entry.name))
    assert saturating_pairs(spoilt) == np.prod(entry.dims) // 2


def test_rounded_weights_are_close_to_the_float_ones(int8_model: onnx.ModelProto, fp32_model: onnx.ModelProto) -> None:
    floats = {entry.name: numpy_helper.to_array(entry) for entry in fp32_model.graph.initializer}
    scales = {entry.name: numpy_helper.to_array(entry) for entry in int8_model.graph.initializer}
    for name, values in integers(int8_model).items():
        plain = name.removesuffix("_quantized")
        scale = scales[f"{plain}_scale"].reshape(-1, *[1] * (values.ndim - 1))
        weights = floats[plain] if values.shape == floats[plain].shape else floats[plain].T
        error = values * scale - weights
        assert np.square(error).mean() < 0.01 * np.square(weights).mean(), name


def test_a_calibration_without_a_layer_is_refused(calibration: Calibration, fp32_model: onnx.ModelProto) -> None:
    with pytest.raises(ModelError, match="Calibrate again"):
        quantize(fp32_model, quantized_nodes(fp32_model), replace(calibration, layers={}), RECIPES["ort-cpu"])
