"""Two networks on the same ticks: what differs is found, named and counted."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsd.compression.budget import Budget
from fsd.data.errors import ModelError
from fsd.data.frame_source import FrameSource
from fsd.data.frames import FrameSet
from fsd.data.open_clip import open_clip
from fsd.data.rig import Rig
from fsd.networks.onnx_session import open_session
from fsd.outputs.cross_check_summary import CrossCheckRecord
from fsd.runtime.cross_check import Answer, CrossCheckedPlanner, compare_answers
from fsd.runtime.divergence import UNITS, CrossCheckSettings, TickDivergence
from fsd.runtime.engine import Engine, packaged_model
from fsd.runtime.network_planner import NetworkPlanner
from fsd.runtime.plan import Plan
from fsd.runtime.planner import Planner
from fsd.runtime.second_network import LIMITS, SecondNetwork
from fsd.third_party.open_planner import open_planner

sys.path.append(str(Path(__file__).resolve().parents[3] / "benchmarks"))
from bit_flips import flip_bit, flip_weight

SAME = CrossCheckSettings("f100", "int8", "cpu", 1, "same", LIMITS["same"])
NOTICED_TICKS = 3


@pytest.fixture(scope="module")
def rig(small_clip: Path) -> Rig:
    return open_clip(small_clip).rig


@pytest.fixture(scope="module")
def first(rig: Rig) -> NetworkPlanner:
    return NetworkPlanner(rig, Engine())


@pytest.fixture(scope="module")
def second(rig: Rig) -> NetworkPlanner:
    return NetworkPlanner(rig, Engine())


@pytest.fixture
def frame_sets(small_clip: Path) -> Iterator[list[FrameSet]]:
    with FrameSource(open_clip(small_clip), max_ticks=8) as source:
        yield list(source)


def divergences(planner: Planner, frame_sets: list[FrameSet]) -> list[TickDivergence]:
    found = [planner.step(frame_set).divergence for frame_set in frame_sets]
    return [each for each in found if each is not None]


def plan(**changes: Any) -> Plan:
    scale = np.ones((16, 4), np.float32)
    straight = Plan(0, 0, np.zeros((16, 4), np.float32), scale, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, np.ones(4) / 4, "ok")
    return replace(straight, **changes)


def answer(state: float = 0.0, saliency: float = 0.0, **changes: Any) -> Answer:
    made = plan(**changes)
    outputs = {"trajectory": made.trajectory, "saliency": np.full((2, 3), saliency, np.float32)}
    outputs |= {"lead": np.zeros(2, np.float32), "new_k": np.ones(4, np.float32)}
    memory = np.ones((2, 4), np.float32)
    memory[1, 2] += state
    return Answer((("new_k", "memory_k"),), {"memory_k": memory}, outputs, made)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cuda", SecondNetwork(None, "cuda")),
        ("cpu:2", SecondNetwork(None, "cpu", 2)),
        ("f100_fp32.onnx", SecondNetwork(Path("f100_fp32.onnx"))),
        ("a@b/c.onnx@cpu:4", SecondNetwork(Path("a@b/c.onnx"), "cpu", 4)),
        ("a@b.onnx", SecondNetwork(Path("a@b.onnx"))),
    ],
)
def test_the_second_network_is_a_device_a_file_or_both(text: str, expected: SecondNetwork) -> None:
    assert SecondNetwork.parse(text) == expected


@pytest.mark.parametrize("text", ["", "gpu", "my_drive", "cpu:0", "cpu:two", "@cpu", "b.onnx@gpu"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"MODEL\.onnx"):
        SecondNetwork.parse(text)


def test_the_same_file_gives_the_same_bits_with_two_threads(rig: Rig, frame_sets: list[FrameSet]) -> None:
    checked = open_planner(rig, cross_check=SecondNetwork(device="cpu", threads=2))
    assert checked.metadata.cross_check == replace(SAME, threads=2)
    found = divergences(checked, frame_sets)
    assert [each.alarms for each in found] == [()] * len(frame_sets)
    assert {value for each in found for value in each.values.values()} == {0.0}


def test_a_second_network_changes_no_result(
    first: NetworkPlanner, second: NetworkPlanner, frame_sets: list[FrameSet]
) -> None:
    first.reset()
    alone = [first.step(frame_set) for frame_set in frame_sets]
    checked = CrossCheckedPlanner(first, second, SAME)
    checked.reset()
    together = [checked.step(frame_set) for frame_set in frame_sets]
    assert [each.plan_hash for each in together] == [each.plan_hash for each in alone]
    assert [each.input_hash for each in together] == [each.input_hash for each in alone]


def test_flipped_bits_of_weights_are_noticed_within_three_ticks(
    rig: Rig, first: NetworkPlanner, frame_sets: list[FrameSet]
) -> None:
    onnx = pytest.importorskip("onnx")
    model, rng, with_effect = onnx.load(packaged_model()), np.random.default_rng(3), 0
    for _ in range(6):
        content, _ = flip_weight(model, rng)
        engine = Engine(session_factory=lambda _, *place, content=content: open_session(content, *place))
        checked = CrossCheckedPlanner(first, NetworkPlanner(rig, engine), SAME)
        checked.reset()
        is_noticed = has_effect = False
        for frame_set in frame_sets[:NOTICED_TICKS]:
            (found,) = divergences(checked, [frame_set])
            is_noticed |= bool(found.alarms)
            has_effect |= any(not np.array_equal(array, engine.outputs[name]) for name, array in first.outputs.items())
        assert is_noticed == has_effect
        with_effect += has_effect
    assert with_effect >= 2  # many bits belong to inputs that are zero, or are rounded away


def test_every_flipped_bit_of_the_state_is_noticed_at_the_next_tick(
    first: NetworkPlanner, second: NetworkPlanner, frame_sets: list[FrameSet]
) -> None:
    checked, rng = CrossCheckedPlanner(first, second, SAME), np.random.default_rng(0)
    for name in ("memory_k", "memory_v") * 4:
        checked.reset()
        assert not any(each.alarms for each in divergences(checked, frame_sets[:2]))
        flip_bit(second.engine.inputs[name][80:], rng)  # slots that no commit of this tick overwrites
        (found,) = divergences(checked, frame_sets[2:3])
        assert (found.alarms[0].part, found.alarms[0].output) == ("state", name)


def test_a_state_that_is_not_finite_raises_an_alarm_under_any_tolerance(
    first: NetworkPlanner, second: NetworkPlanner, frame_sets: list[FrameSet]
) -> None:
    checked = CrossCheckedPlanner(first, second, replace(SAME, limits={}))
    checked.reset()
    divergences(checked, frame_sets[:2])
    second.engine.inputs["memory_v"][100] = np.nan  # an INT8 network may make a finite plan of it
    (found,) = divergences(checked, frame_sets[2:3])
    assert "state:memory_v" in map(str, found.alarms)
    assert found.values["state"] == np.inf


def test_an_alarm_says_that_only_one_network_had_a_finite_output() -> None:
    settings = replace(SAME, limits={})
    assert compare_answers(answer(health="no_ego"), answer(health="no_ego"), settings)[1] == ()
    _, alarms = compare_answers(answer(health="ok"), answer(health="plan=held"), settings)
    assert [*map(str, alarms)] == ["plan:health"]


def test_what_differs_is_listed_in_the_order_of_the_data() -> None:
    other = answer(state=1e-6, saliency=1e-6, trajectory=np.full((16, 4), 1e-6, np.float32))
    _, alarms = compare_answers(answer(), other, SAME)
    assert [*map(str, alarms)] == ["state:memory_k", "saliency:saliency", "plan:trajectory"]


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("waypoints_m", answer(trajectory=np.full((16, 4), 3.0, np.float32))),
        ("waypoint_3s_m", answer(trajectory=np.full((16, 4), 3.0, np.float32))),
        ("curvature_per_m", answer(curvature_per_m=0.5)),
        ("acceleration_mps2", answer(acceleration_mps2=-2.0)),
        ("saliency", answer(saliency=4.0)),
        ("state", answer(state=0.5)),
        ("state_rms", answer(state=0.5)),
    ],
)
def test_a_tolerance_separates_an_alarm_from_none(name: str, other: Answer) -> None:
    value = compare_answers(answer(), other, SAME)[0][name]
    assert value
    for limit, is_alarm in ((value, False), (value * 0.99, True)):
        settings = CrossCheckSettings("f100", "fp32", "cpu", 1, "precision", {name: limit})
        assert bool(compare_answers(answer(), other, settings)[1]) == is_alarm


def test_one_bit_of_a_zero_counts_where_the_bits_must_be_the_same() -> None:
    values, alarms = compare_answers(answer(saliency=0.0), answer(saliency=-0.0), SAME)
    assert (values["saliency"], [*map(str, alarms)]) == (0.0, ["saliency:saliency"])


def test_a_model_of_another_budget_is_refused(first: NetworkPlanner, second: NetworkPlanner) -> None:
    class Other(NetworkPlanner):
        def __init__(self) -> None:
            self.model = second.model
            self.metadata = replace(second.metadata, budget=Budget("other", 60, 80, 10))

    with pytest.raises(ModelError, match="other"):
        CrossCheckedPlanner(first, Other(), SAME)


def test_the_record_names_the_first_alarm_and_the_cost() -> None:
    record = CrossCheckRecord(SAME)
    nothing = dict.fromkeys(UNITS, 0.0)
    record.add(0, TickDivergence(nothing, (), 3.0, 1.0), plan_ms=6.0)
    _, alarms = compare_answers(answer(), answer(state=0.5, curvature_per_m=0.1), replace(SAME, limits={"state": 0.1}))
    record.add(1, TickDivergence({**nothing, "state": 0.5, "saliency": None}, alarms, 3.0, 1.0), plan_ms=6.0)
    summary = record.summary()
    assert (summary.ticks, summary.alarm_ticks, summary.first_tick) == (2, 1, {"state": 1})
    assert summary.first_alarm is not None
    assert (summary.first_alarm.tick, summary.first_alarm.output) == (1, "memory_k")
    assert summary.divergence["state"].max == 0.5
    assert summary.share_of_tick == pytest.approx(0.4)
