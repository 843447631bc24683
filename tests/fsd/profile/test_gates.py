from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from fsd.meters.machine_load import _judged
from fsd.meters.quantity import measured, unavailable
from fsd.networks.network_cost import NetworkCost, OperatorCost
from fsd.outputs.profile_scenario import ScenarioSummary
from fsd.profile.energy.devices import Device
from fsd.profile.energy.energy_model import estimate
from fsd.profile.gates import deadline_gate, power_gate, verdict
from fsd.profile.stats.deadlines import check_deadline
from fsd.profile.stats.percentiles import summarise_percentiles

NETWORK = NetworkCost("net", (OperatorCost("a", "QLinearConv", 10**9, 0, True),))


def scenario(latency_ms: np.ndarray, limit_ms: float) -> ScenarioSummary:
    """Only what the gate reads."""
    deadline = check_deadline(latency_ms, limit_ms)
    latency = summarise_percentiles(latency_ms[~np.isnan(latency_ms)])
    return cast(ScenarioSummary, SimpleNamespace(latency_ms=latency, deadline=deadline))


def device(max_w: float) -> Device:
    return Device("board", "Board", "board", 100.0, 10.0, 100.0, None, max_w, "a data sheet", "high")


def test_a_deadline_is_judged_at_the_999th_percentile() -> None:
    gate = deadline_gate("constant-stream", scenario(np.full(10_000, 20.0), 27.78), 27.78)
    assert gate.is_met
    assert all(fact in gate.because for fact in ("constant-stream", "p99.9", "20.00 ms", "10000"))


def test_with_fewer_samples_it_is_judged_at_the_99th_and_says_so() -> None:
    gate = deadline_gate("constant-stream", scenario(np.full(700, 20.0), 27.78), 27.78)
    assert gate.is_met
    assert all(fact in gate.because for fact in ("p99 20.00 ms", "p99.9", "6636"))


def test_too_few_samples_do_not_pass() -> None:
    gate = deadline_gate("constant-stream", scenario(np.full(100, 1.0), 27.78), 27.78)
    assert not gate.is_met
    assert all(fact in gate.because for fact in ("p99", "662", "--ticks"))


def test_skipped_ticks_break_a_deadline_that_the_planned_ones_keep() -> None:
    latency_ms = np.full(10_000, 20.0)
    latency_ms[:50] = np.nan
    assert not deadline_gate("constant-stream", scenario(latency_ms, 27.78), 27.78).is_met


@pytest.mark.parametrize(("watts", "is_met"), [(250.0, True), (310.0, False)])
def test_a_meter_decides_where_there_is_one(watts: float, is_met: bool) -> None:
    estimated = estimate(NETWORK, device(9999.0), 27.78, 300.0)
    gate = power_gate(measured(watts, "W", "rapl"), estimated, 300.0)
    assert gate.is_met is is_met
    assert "measured" in gate.because


def test_where_every_tick_misses_more_ticks_are_not_asked_for() -> None:
    gate = deadline_gate("constant-stream", scenario(np.full(100, 90.0), 27.78), 27.78)
    assert not gate.is_met
    assert "every one of 100 ticks missed" in gate.because
    assert "--ticks" not in gate.because


@pytest.mark.parametrize(
    ("latency_ms", "other_share", "is_valid", "fact"),
    [
        (20.0, 0.01, True, "0 of 700 ticks missed"),
        (20.0, 0.60, False, "other programs took 60% of the cores"),
        (90.0, 0.01, False, "every one of 700 ticks missed"),
    ],
)
def test_one_line_says_whether_it_is_a_measurement_and_in_time(
    latency_ms: float, other_share: float, is_valid: bool, fact: str
) -> None:
    found = scenario(np.full(700, latency_ms), 27.78)
    load = _judged(9.0, 0.4, other_share, 0.0, {}, 0.99)
    judged = cast(ScenarioSummary, SimpleNamespace(**vars(found), resources=SimpleNamespace(load=load)))
    result = verdict({"constant-stream": judged})
    assert result.is_valid is is_valid
    assert result.text.startswith("VALID" if is_valid else "INVALID")
    assert fact in result.text


@pytest.mark.parametrize(("max_w", "is_met"), [(72.0, None), (700.0, False)])
def test_without_a_meter_the_pessimistic_model_decides_and_never_reads_met(max_w: float, is_met: bool | None) -> None:
    estimated = estimate(NETWORK, device(max_w), 27.78, 300.0)
    gate = power_gate(unavailable("W", "no meter"), estimated, 300.0)
    assert gate.is_met is is_met
    assert "modelled" in gate.because
    assert "not measured" in gate.because
    assert gate.outcome == ("would fit by the model" if is_met is None else "open by the model")
