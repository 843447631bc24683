import json

import msgspec
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")


def test_the_result_of_an_export_is_json_with_its_proof() -> None:
    from fsd.export.parity import ParityReport
    from fsd.export.sensitivity import LayerEffect, Sensitivity
    from fsd.meters.machine import describe_machine
    from fsd.outputs.export_summary import ExportSummary

    report = ParityReport(ticks=3, failures=("too far",), failed=("onnx_int8",))
    effects = Sensitivity((LayerEffect("head", 0.1, 0.2),), 0.3, 3)
    summary = ExportSummary(
        fp32="a.onnx",
        int8=None,
        files={},
        passed=report.passed,
        parity=report,
        sensitivity={"ort-cpu": effects},
        machine=describe_machine(),
    )
    content = json.loads(json.dumps(msgspec.to_builtins(summary), allow_nan=False))
    assert (content["command"], content["schema_version"], content["passed"]) == ("export", 1, False)
    assert content["parity"]["failed"] == ["onnx_int8"]
    assert content["sensitivity"]["ort-cpu"]["effects"][0]["layer"] == "head"
    assert msgspec.convert(content, ExportSummary) == summary
