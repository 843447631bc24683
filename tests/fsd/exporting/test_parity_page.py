from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from fsd.cli import main
from fsd.commands import export as command
from fsd.commands.parser import build_parser
from fsd.export.gaze_feedback import Feedback
from fsd.export.parity import Comparison, Distance, ParityReport
from fsd.export.sensitivity import LayerEffect, Sensitivity
from fsd.export.speed import Speed
from fsd.export.steps import Exported
from fsd.exporting.parity_page import write_parity_page
from fsd.networks.weights import save_weights, untrained
from tests.fsd._pages import checked
from tests.networks._tiny import TINY

COMPARISON = Comparison(
    reference="onnx_fp32",
    ticks=40,
    max_abs={"trajectory": 0.5},
    sqnr_db={"trajectory": 31.0},
    distances={
        "position_3s": Distance("m", 0.031, 0.1),
        "anywhere": Distance("m", 0.04, 0.077),
        "curvature": Distance("1/m", 1e-4, 1e-3),
    },
    growth=1.0,
    drift=(0.01,) * 9 + (0.02,),
    worst_tick=3,
)
EXPORTED = Exported(
    name="B100",
    is_trained=False,
    fp32=Path("b100_fp32.onnx"),
    others={},
    calibration=None,
    parity=Path("parity.json"),
    report=ParityReport(40, {"onnx_<int8>": COMPARISON}, notes=("40 of 1000 ticks",), scope="40 ticks of my_drive"),
    sensitivity={
        "ort-cpu": Sensitivity((LayerEffect("trunk.first", 0.0123, 0.0456), LayerEffect("head", 0, 0)), 0.1, 8)
    },
)


def test_the_page_shows_the_verdict_the_distances_and_every_layer(tmp_path: Path) -> None:
    write_parity_page(tmp_path / "parity.html", EXPORTED)
    found = checked(tmp_path / "parity.html")
    assert {"Distance between the plans", "Output by output", "Cost of each layer (ort-cpu)"} <= {*found.headings}
    for fact in (
        "B100",
        "untrained",
        "Passed.",
        "planned alike",
        "on 40 ticks of my_drive",
        "40 of 1000 ticks",
        "onnx_<int8>",
        "0.031",
        "0.077",
        "trunk.first",
    ):
        assert fact in found.text


def test_what_its_own_gaze_changes_is_shown_with_the_target_that_is_missed(tmp_path: Path) -> None:
    feedback = {"onnx_int8": Feedback(396, "position_3s", "m", 0.15, 0.87, 2.4, 0.107)}
    report = ParityReport(40, {"onnx_int8": COMPARISON}, warnings=("0.87 m is too far",), feedback=feedback)
    write_parity_page(tmp_path / "parity.html", replace(EXPORTED, report=report))
    found = checked(tmp_path / "parity.html")
    assert "Distance where each file chooses its own patches" in found.headings
    for fact in ("Passed.", "Warning", "0.87 m is too far", "396", "0.15", "0.87", "2.4", "10.7%"):
        assert fact in found.text


def test_the_terminal_states_what_its_own_gaze_changes(capsys: pytest.CaptureFixture[str]) -> None:
    feedback = {"onnx_int8": Feedback(396, "position_3s", "m", 0.15, 0.87, 2.4, 0.107)}
    report = ParityReport(40, {}, warnings=("0.87 m is too far",), warned=("onnx_int8_feedback",), feedback=feedback)
    options = build_parser("export").parse_args(["export"])
    result = command._report(replace(EXPORTED, report=report), options, "network")
    assert result["exit_code"] == 0
    assert result["parity"]["warned"] == ("onnx_int8_feedback",)
    printed = capsys.readouterr().out
    for fact in ("396 ticks", "0.15 m mean", "0.87 m p99", "2.4 m max", "10.7%", "warning: 0.87 m is too far"):
        assert fact in printed


def test_a_model_without_a_path_is_shown_in_its_own_unit(tmp_path: Path) -> None:
    steering = replace(
        COMPARISON, headline="steering", unit="rad", distances={"steering": Distance("rad", 0.0123, 0.0456)}
    )
    shortest_ms = {"onnx_fp32": 4.0, "onnx": 1.6, "onnx_int8": 5.0}
    speed = Speed(2, 30, "wall time", shortest_ms, {"onnx": 2.5, "onnx_int8": 0.8})
    report = ParityReport(40, {"onnx": steering})
    write_parity_page(tmp_path / "parity.html", replace(EXPORTED, report=report, speed=(speed,)))
    text = checked(tmp_path / "parity.html").text
    for fact in ("steering, rad", "0.012", "2.50", "1.600", "2, wall time", "Slower than FP32 here: onnx_int8."):
        assert fact in text


def test_failures_are_listed(tmp_path: Path) -> None:
    report = ParityReport(40, {"onnx_int8": COMPARISON}, failures=("onnx_int8 is 0.9 m off",), failed=("onnx_int8",))
    write_parity_page(tmp_path / "parity.html", replace(EXPORTED, report=report))
    text = checked(tmp_path / "parity.html").text
    assert "onnx_int8 is 0.9 m off" in text
    assert "Passed." not in text


def test_a_drift_that_is_not_finite_is_a_full_red_bar(tmp_path: Path) -> None:
    comparison = replace(COMPARISON, drift=(0.01, float("inf")))
    write_parity_page(tmp_path / "parity.html", replace(EXPORTED, report=ParityReport(40, {"onnx": comparison})))
    html = (tmp_path / "parity.html").read_text(encoding="utf-8")
    bar = next(part for part in html.split("<rect ") if 'class="red"' in part)
    assert 'y="0.00"' in bar
    assert 'height="100.00"' in bar


def test_without_a_proof_there_is_no_page(tmp_path: Path) -> None:
    write_parity_page(tmp_path / "parity.html", replace(EXPORTED, report=None))
    assert not [*tmp_path.iterdir()]


def test_the_command_writes_the_page_beside_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_weights(untrained(TINY), tmp_path / "tiny.safetensors", trained=False)
    out = tmp_path / "out"
    assert (
        main(["export", str(tmp_path / "tiny.safetensors"), "--out", str(out), "--no-int8", "--parity-ticks", "3"]) == 0
    )
    assert (out / "parity.json").exists()
    assert "onnx_fp32" in checked(out / "parity.html").text
    assert str(out / "parity.html") in capsys.readouterr().out
