import json
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.networks.network_cost import NetworkCost, OperatorCost
from fsd.profile.energy.devices import Device, devices
from fsd.profile.energy.energy_model import Assumptions, estimate

EXACT = Assumptions(compute=(1.0, 1.0), bandwidth=(1.0, 1.0), start_us=(0.0, 0.0))


def board(idle_w: float | None = 10.0, max_w: float = 60.0) -> Device:
    return Device("board", "Board", "board", 2.0, 1.0, 100.0, idle_w, max_w, "a data sheet", "high")


def network(int8_macs: int = 10**9, float_macs: int = 0, moved_bytes: int = 0) -> NetworkCost:
    return NetworkCost(
        "net",
        (
            OperatorCost("a", "QLinearConv", int8_macs, moved_bytes, True),
            OperatorCost("b", "MatMul", float_macs, 0, False),
        ),
    )


def test_arithmetic_bound_time_is_operations_over_the_peak() -> None:
    """1e9 multiply-accumulates are 2e9 operations: 1 ms at 2 TOPS."""
    found = estimate(network(), board(), deadline_ms=27.78, rate_hz=100.0, assumptions=EXACT)
    assert found.infer_ms.value == pytest.approx(1.0)


def test_memory_bound_time_is_bytes_over_the_bandwidth() -> None:
    found = estimate(network(int8_macs=1, moved_bytes=500_000_000), board(), 27.78, rate_hz=100.0, assumptions=EXACT)
    assert found.infer_ms.value == pytest.approx(5.0)


def test_power_is_linear_between_idle_and_maximum() -> None:
    """Busy a tenth of the time: 10 W and a tenth of the 50 W on top."""
    found = estimate(network(), board(), 27.78, rate_hz=100.0, assumptions=EXACT)
    assert found.watts.value == pytest.approx(15.0)
    assert found.joules_per_tick.value == pytest.approx(0.15)


def test_unpublished_idle_power_leaves_the_range_open() -> None:
    found = estimate(network(), board(idle_w=None), 27.78, rate_hz=100.0, assumptions=EXACT)
    assert (found.watts.low, found.watts.high) == (pytest.approx(6.0), 60.0)


def test_every_estimate_is_tagged_as_modelled() -> None:
    found = estimate(network(), board(), 27.78)
    for quantity in (found.infer_ms, found.joules_per_tick, found.watts):
        assert quantity.tag == "modelled"
        assert "modelled" in str(quantity)


@pytest.mark.parametrize(("budget_w", "fits"), [(100.0, "yes"), (30.0, "open"), (5.0, "no")])
def test_a_power_budget_is_judged_at_both_ends_of_the_range(budget_w: float, fits: str) -> None:
    found = estimate(network(), board(idle_w=None), 27.78, budget_w, rate_hz=100.0, assumptions=EXACT)
    assert found.in_power == fits


def test_a_network_that_is_too_slow_has_no_rate_that_fits() -> None:
    found = estimate(network(int8_macs=10**11), board(), 27.78, assumptions=EXACT)
    assert found.in_time == found.fits == "no"
    assert found.max_rate_hz == 0


def test_the_largest_rate_is_where_the_power_budget_is_reached() -> None:
    found = estimate(network(), board(), 27.78, budget_w=35.0, rate_hz=36.0, assumptions=EXACT)
    at_that_rate = estimate(network(), board(), 27.78, 35.0, rate_hz=found.max_rate_hz, assumptions=EXACT)
    assert at_that_rate.watts.value == pytest.approx(35.0)


@given(macs=st.integers(1, 10**12), float_macs=st.integers(0, 10**11), moved=st.integers(0, 10**10))
@settings(derandomize=True, deadline=None)
def test_a_larger_network_is_never_faster_or_cheaper(macs: int, float_macs: int, moved: int) -> None:
    small = estimate(network(macs, float_macs, moved), board(), 27.78)
    large = estimate(network(2 * macs, 2 * float_macs, 2 * moved), board(), 27.78)
    assert large.infer_ms.low >= small.infer_ms.low  # type: ignore[operator]
    assert large.joules_per_tick.high >= small.joules_per_tick.high  # type: ignore[operator]


def test_every_device_names_a_document_and_a_year() -> None:
    for each in devices().values():
        assert any(str(year) in each.source for year in range(2015, 2027)), each.name
        assert each.int8_tops > 0
        assert each.bandwidth_gb_s > 0
        assert each.max_w > (each.idle_w or 0)


def test_device_names_are_unique() -> None:
    rows = json.loads((resources.files("fsd.profile.energy") / "devices.json").read_text())["devices"]
    assert len(devices()) == len(rows)
