"""Fine-tuning of a tiny recurrent network, and what it changes in the INT8 file."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from fsd.data.errors import ModelError
from fsd.export.any_model import ModelSource, export_model
from fsd.export.config import ModelExportConfig
from fsd.export.fine_tuning import FineTuned, fine_tune
from fsd.export.onnx_runner import ReferenceRunner
from fsd.export.plan_measure import OutputMeasure, output_magnitudes
from fsd.export.torch_module import TorchModel, trace

VIEW, HIDDEN = (1, 3, 8, 16), (1, 8)
IN_FLOAT = ("mix", "head")


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.mix, self.head = nn.Linear(16, 8), nn.Linear(8, 4)

    def forward(self, view: Tensor, hidden: Tensor) -> dict[str, Tensor]:
        features = self.trunk(view).mean((2, 3))
        hidden = torch.tanh(self.mix(torch.cat([features, hidden], 1)))
        return {"path": self.head(hidden), "hidden_out": hidden}


class Feeds:
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.arrays = {"view": np.zeros(VIEW, np.float32), "hidden": np.zeros(HIDDEN, np.float32)}

    def load(self, step: np.ndarray, /) -> None:
        self.arrays["view"] = step

    def carry(self, step: np.ndarray, outputs: dict[str, np.ndarray], /) -> None:
        self.arrays["hidden"] = outputs["hidden_out"]


@pytest.fixture(scope="module")
def model() -> TorchModel:
    torch.manual_seed(0)
    network = Recurrent().eval()
    with torch.no_grad():
        network.trunk[2].weight *= 3
    return trace(network, {"view": torch.zeros(VIEW), "hidden": torch.zeros(HIDDEN)}, "network")


@pytest.fixture(scope="module")
def clips() -> list[list[np.ndarray]]:
    places = np.arange(np.prod(VIEW)).reshape(VIEW) / 7
    return [
        [(0.5 + 0.5 * np.sin(places * (1 + tick / 50) + tick / 5 + clip)).astype(np.float32) for tick in range(24)]
        for clip in range(2)
    ]


@pytest.fixture(scope="module")
def measure(model: TorchModel, clips: list[list[np.ndarray]]) -> OutputMeasure:
    return OutputMeasure(output_magnitudes(ReferenceRunner(model.run, Feeds), clips, ["path"]))


@pytest.fixture(scope="module")
def tuned(model: TorchModel, clips: list[list[np.ndarray]], measure: OutputMeasure) -> FineTuned:
    return fine_tune(model, clips, Feeds, measure, steps=40, float_layers=IN_FLOAT)


def test_fine_tuning_brings_the_rounded_plan_nearer_to_the_float_one(model: TorchModel, tuned: FineTuned) -> None:
    assert tuned.after < 0.97 * tuned.before
    assert (tuned.ticks, tuned.best_step > 0) == (36, True)
    assert tuned.model.module is not None
    assert model.module is not None
    # What remains of the rounding are ordinary weights of the same names.
    assert tuned.model.module.state_dict().keys() == model.module.state_dict().keys()
    assert [node.op_type for node in tuned.model.to_onnx().graph.node] == [
        node.op_type for node in model.to_onnx().graph.node
    ]


def test_fine_tuning_lowers_the_error_of_the_int8_file_which_keeps_its_weights(
    model: TorchModel, tuned: FineTuned, clips: list[list[np.ndarray]], measure: OutputMeasure, tmp_path: Path
) -> None:
    found = {}
    for name, to_quantize in (("plain", None), ("tuned", tuned.model.to_onnx())):
        config = ModelExportConfig(out=tmp_path / name, parity_ticks=48, speed_rounds=0)
        source = ModelSource("net", model.to_onnx(), Feeds, measure, to_quantize=to_quantize)
        written = export_model(source, config, clips)
        assert written.report is not None
        found[name] = written.report.comparisons["onnx_int8"].distances["outputs"].mean
    # Measured: 0.84. Most of what is left is the rounding of activations.
    assert found["tuned"] < found["plain"]
    file = onnx.load(tmp_path / "tuned" / "net_int8.onnx").graph
    stored = {entry.name: numpy_helper.to_array(entry) for entry in file.initializer}
    (weights,) = (node for node in file.node if node.input[0] == "trunk.2.weight_quantized")
    assert tuned.model.module is not None
    expected = tuned.model.module.state_dict()["trunk.2.weight"].numpy()
    scale = stored[weights.input[1]][:, None, None, None]
    np.testing.assert_allclose(stored[weights.input[0]] * scale, expected, rtol=1e-5)


def test_weights_that_do_not_help_are_not_kept(
    model: TorchModel, clips: list[list[np.ndarray]], measure: OutputMeasure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fsd.export.fine_tuning.STEP_RATE", 100.0)
    tuned = fine_tune(model, clips, Feeds, measure, steps=4)
    assert (tuned.best_step, tuned.after) == (0, tuned.before)


def test_what_cannot_be_fine_tuned_is_refused(
    model: TorchModel, clips: list[list[np.ndarray]], measure: OutputMeasure
) -> None:
    program = TorchModel("net.pt2", model.program, None, {}, model.inputs, model.outputs)
    with pytest.raises(ModelError, match="module:function"):
        fine_tune(program, clips, Feeds, measure, steps=4)
    layers = ["trunk.0", "trunk.2", "mix", "head"]
    with pytest.raises(ModelError, match="no convolution or linear layer"):
        fine_tune(model, clips, Feeds, measure, steps=4, float_layers=layers)
    with pytest.raises(ModelError, match="too few ticks"):
        fine_tune(model, [clips[0][:1]], Feeds, measure, steps=4)
