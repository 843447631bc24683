"""`fsd adapter init` as a user runs it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fsd.adapting.config import AdapterInitConfig
from fsd.adapting.draft import Tensors
from fsd.adapting.guess import guess_adapter
from fsd.adapting.init import fitting_adapters, init_adapter
from fsd.cli import main
from fsd.data.errors import ModelError, UsageError
from fsd.networks.onnx_session import open_session, session_signature
from fsd.third_party.adapter import check_model, load_adapter
from tests.fsd.adapting.test_ready_adapters import NETWORKS

KNOWN = (
    {
        "front_image": ((1, 3, 48, 64), "float32"),
        "wide_image": ((1, 24, 32, 3), "uint8"),
        "speed": ((1, 1), "float32"),
        "command": ((1, 4), "float32"),
        "h_in": ((1, 16), "float32"),
    },
    {"waypoints": ((1, 10, 2), "float32"), "h_out": ((1, 16), "float32")},
)


def test_an_adapter_without_open_questions_fits_its_model(stand_in: Callable[..., Path], tmp_path: Path) -> None:
    model = stand_in(*KNOWN)
    summary = init_adapter(AdapterInitConfig(models=(model,), out=tmp_path / "new" / "a.json"))
    assert summary.undecided == ()
    session = open_session(model)
    inputs, outputs = session_signature(session.get_inputs()), session_signature(session.get_outputs())
    check_model(load_adapter(tmp_path / "new" / "a.json"), inputs, outputs, "a.json")


def test_what_must_be_decided_is_refused_by_its_field(stand_in: Callable[..., Path], tmp_path: Path) -> None:
    inputs, outputs = KNOWN
    model = stand_in({**inputs, "weather": ((1, 7), "float32")}, outputs)
    summary = init_adapter(AdapterInitConfig(models=(model,), out=tmp_path / "a.json"))
    assert summary.undecided == ("constants[0].values",)
    with pytest.raises(ModelError) as refused:
        load_adapter(tmp_path / "a.json")
    assert refused.value.field == "constants[0].values[0]"


def test_an_existing_file_is_never_replaced(stand_in: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("mine")
    with pytest.raises(UsageError):
        init_adapter(AdapterInitConfig(models=(stand_in(*KNOWN),), out=tmp_path / "a.json"))
    assert (tmp_path / "a.json").read_text() == "mine"


def test_the_command_prints_every_guess_with_its_reason(
    stand_in: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(stand_in(*KNOWN))
    assert main(["adapter", "init", model, "--out", str(tmp_path / "a.json")]) == 0
    printed = capsys.readouterr().out
    assert "images[0].camera" in printed
    assert "equal shape and type, and names alike" in printed
    assert main(["adapter", "init", model, "--out", str(tmp_path / "b.json"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["command"] == "adapter init"
    assert {guess["certainty"] for guess in result["guesses"]} <= {"sure", "likely", "unsure", "TODO"}


def test_a_pytorch_model_is_read_through_its_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    (tmp_path / "front_network.py").write_text(
        "import torch\n\nclass Net(torch.nn.Module):\n    def forward(self, front, speed):\n"
        "        return {'path': front.mean() * torch.ones(1, 8, 2) + speed}\n\n"
        "def load():\n    return Net(), {'front': torch.zeros(1, 3, 48, 64), 'speed': torch.zeros(1, 1)}\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["adapter", "init", "front_network:load"]) == 0
    written = json.loads((tmp_path / "adapter.json").read_text())
    assert written["name"] == "front_network"
    assert [image["name"] for image in written["images"]] == ["front"]
    assert written["outputs"]["waypoints"]["points"] == 8
    assert "fsd export front_network:load" in capsys.readouterr().out


def test_a_missing_model_is_a_model_error(tmp_path: Path) -> None:
    assert main(["adapter", "init", str(tmp_path / "none.onnx")]) == ModelError.exit_code


@pytest.mark.parametrize("name", NETWORKS)
def test_a_ready_adapter_that_fits_is_named(name: str) -> None:
    models = [Tensors(f"{file}.onnx", inputs, outputs) for file, inputs, outputs in NETWORKS[name].models]
    assert fitting_adapters(models) == (name,)
    assert guess_adapter("a", models).guesses  # and none of these shapes is too much for a guess


def test_no_ready_adapter_fits_another_network() -> None:
    assert fitting_adapters([Tensors("m.onnx", *KNOWN)]) == ()
