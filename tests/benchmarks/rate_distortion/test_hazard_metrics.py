"""Latency and recall from records of hazards: what counts, what does not, and what is never shown."""

import math
from typing import Any

import numpy as np
import pytest

from rate_distortion.hazard_metrics import hazard_metrics, latency


def record(shown: list[int], appears: int = 60, onset: int | None = 60, policy: str = "ours") -> dict[str, Any]:
    """A hazard seen from `appears` on; `shown` holds for every tick when the shown image was taken, or -1."""
    ticks = list(range(appears, appears + len(shown)))
    dangerous = [int(onset is not None and tick >= onset) for tick in ticks]
    return {"appears": appears, "onset": onset, "ticks": ticks, "dangerous": dangerous, "shown": {policy: shown}}


def test_a_patch_in_the_same_tick_has_no_latency() -> None:
    found = hazard_metrics([record([60, 61, 62])], "ours", 9)
    assert found.appearance_ticks.tolist() == [0.0]
    assert found.recall_same_tick == 1.0


def test_a_held_image_from_before_the_onset_does_not_count() -> None:
    assert latency(60, np.arange(60, 64), np.array([58, 58, 58, 63]), 9) == 3.0


def test_an_unshown_hazard_counts_as_never_unless_it_ended_too_soon() -> None:
    assert latency(60, np.arange(60, 80), np.full(20, -1), 9) == math.inf
    assert latency(60, np.arange(60, 65), np.full(5, -1), 9) is None
    found = hazard_metrics([record([-1] * 20), record([-1] * 5)], "ours", 9)
    assert found.to_dict()["latency_ticks"]["appearance"] == {
        "events": 1,
        "p50": None,
        "p99": None,
        "worst": None,
        "never": 1,
    }
    assert found.too_short == 4 - 2


def test_recall_accepts_images_of_nine_ticks_and_the_strict_share_only_of_the_tick() -> None:
    found = hazard_metrics([record([60] + [-1] * 19)], "ours", 9)
    assert found.hazard_ticks == 20
    assert found.recall == pytest.approx(10 / 20)
    assert found.recall_same_tick == pytest.approx(1 / 20)


def test_a_hazard_visible_from_the_start_has_an_onset_and_no_appearance() -> None:
    found = hazard_metrics([record([-1] * 70 + [70] * 5, appears=0, onset=66)], "ours", 9)
    assert found.appearance_ticks.tolist() == []
    assert found.onset_ticks.tolist() == [4.0]


def test_ticks_before_the_onset_do_not_count_for_recall() -> None:
    assert hazard_metrics([record([-1] * 10 + [70], onset=70)], "ours", 9).hazard_ticks == 1


def test_a_hazard_that_is_never_visible_does_not_count() -> None:
    unseen = {"appears": None, "onset": None, "ticks": [], "dangerous": [], "shown": {}}
    assert math.isnan(hazard_metrics([unseen], "ours", 9).recall)
