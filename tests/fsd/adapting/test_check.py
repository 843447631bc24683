"""`fsd adapter check` on a small clip."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fsd.cli import main
from fsd.commands.exit_codes import OVER_LIMIT
from fsd.data.errors import ModelError
from tests.fsd._pages import checked

PATH = np.stack([np.arange(1, 11) * 5.0, np.zeros(10)], axis=1)
"""Straight ahead at 10 m/s, as the small clip drives."""

INPUTS = {"front": ((1, 3, 48, 64), "float32"), "wide_rear": ((1, 24, 32, 3), "uint8"), "h_in": ((1, 4), "float32")}
OUTPUTS = {"path": ((1, 10, 2), "float32"), "h_out": ((1, 4), "float32")}


@pytest.fixture
def check(
    stand_in: Callable[..., Path], small_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Call it with fields of the stand-in, and options: exit code and result."""

    def run(*options: str, gain: float = 1e-4, outputs: Any = OUTPUTS) -> tuple[int, dict[str, Any]]:
        model = str(stand_in(INPUTS, outputs, {"path": PATH}, gain))
        adapter = tmp_path / "adapter.json"
        if not adapter.exists():
            assert main(["adapter", "init", model, "--out", str(adapter)]) == 0
        capsys.readouterr()
        given = ["--adapter", str(adapter), "--out", str(tmp_path / "out"), "--ticks", "8", "--json", *options]
        code = main(["adapter", "check", model, str(small_clip), *given])
        printed = capsys.readouterr().out
        return code, json.loads(printed) if printed else {}

    return run


def test_a_check_leaves_a_sheet_a_page_and_a_summary(
    check: Callable[..., tuple[int, dict[str, Any]]], tmp_path: Path
) -> None:
    code, result = check("--strict")
    assert (code, result["suspicious"]) == (0, [])
    assert result["ticks"] == 8
    assert result["speed_ratio"] == pytest.approx(1.0, abs=0.05)
    kinds = {tensor["name"]: tensor["kind"] for tensor in result["tensors"]}
    assert kinds == {"front": "image", "wide_rear": "image", "h_in": "state", "path": "output", "h_out": "output"}
    with Image.open(tmp_path / "out" / "inputs.png") as sheet:
        assert np.asarray(sheet).std() > 10
    page = checked(tmp_path / "out" / "adapter_check.html")
    assert {"What the network sees", "What its answer means", "Numbers"} <= set(page.headings)
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["command"] == "adapter check"


def test_a_network_that_ignores_its_pictures_is_suspicious(check: Callable[..., tuple[int, dict[str, Any]]]) -> None:
    code, result = check("--strict", gain=0.0)
    assert {"ignores_pictures", "constant_output", "state_still"} <= {each["code"] for each in result["suspicious"]}
    assert code == OVER_LIMIT
    assert check(gain=0.0)[0] == 0  # without --strict


def test_an_adapter_of_another_model_is_refused(check: Callable[..., tuple[int, dict[str, Any]]]) -> None:
    check()
    code, _ = check(outputs={"trajectory": ((1, 10, 2), "float32"), "h_out": ((1, 4), "float32")})
    assert code == ModelError.exit_code


def test_the_printed_check_names_what_is_suspicious(
    stand_in: Callable[..., Path], small_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = {"image": ((1, 3, 66, 200), "float32")}
    model = stand_in(image, {"inverse_radius": ((1, 1), "float32")}, {"inverse_radius": np.full((1, 1), 0.01)})
    given = ["--adapter", "pilotnet", "--out", str(tmp_path), "--ticks", "4"]
    assert main(["adapter", "check", str(model), str(small_clip), *given]) == 0
    printed = capsys.readouterr().out
    assert "inverse_radius" in printed
    assert "suspicious: nothing" in printed


def test_a_network_in_two_files_is_checked_as_one(
    stand_in: Callable[..., Path], small_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    features = {"features": ((1, 8), "float32")}
    vision = stand_in({"front": ((1, 3, 48, 64), "float32")}, features, gain=1.0, name="vision")
    policy = stand_in(features, {"path": ((1, 10, 2), "float32")}, {"path": PATH}, name="policy")
    adapter = str(tmp_path / "a.json")
    assert main(["adapter", "init", str(vision), str(policy), "--out", adapter]) == 0
    (hint,) = [line for line in capsys.readouterr().out.splitlines() if "fsd adapter check" in line]
    words = hint.partition("fsd ")[2].replace("CLIP", str(small_clip)).split()
    assert main([*words, "--out", str(tmp_path / "out"), "--ticks", "4", "--strict"]) == 0
