"""The end of a benchmark: one JSON line that says what was measured, and on which machine."""

import json

import pytest
from _report import cpu_class, finish

from fsd.networks.processor import instruction_set


def test_the_last_line_holds_metrics_input_samples_and_machine(capsys: pytest.CaptureFixture[str]) -> None:
    finish("some_speed", {"ratio": 1.5}, 7, "8 streams")
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (line["benchmark"], line["figures"], line["samples"]) == ("some_speed", {"ratio": 1.5}, 7)
    assert line["input"] == "8 streams"
    assert line["cpu_class"] == line["machine"]["cpu_class"]
    assert {"cpu", "cores", "instruction_set", "python", "numpy"} <= set(line["machine"])


@pytest.mark.parametrize(
    ("flags", "expected", "expected_class"),
    [
        ("fpu sse4_2 avx2", "sse4.2 avx2", "avx2"),
        ("avx2 avx512f avx512_vnni amx_int8", "avx2 avx512 vnni amx", "vnni"),
        ("avx2 avx_vnni", "avx2 vnni", "vnni"),
        ("fp asimd asimddp i8mm", "neon dotprod i8mm", "i8mm"),
        ("", "unknown", "unknown"),
    ],
)
def test_the_instruction_set_names_what_decides_the_speed_of_8_bit_products(
    flags: str, expected: str, expected_class: str
) -> None:
    assert instruction_set(flags) == expected
    assert cpu_class(expected) == expected_class
