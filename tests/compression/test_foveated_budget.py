"""Budgets with a fovea: sizes worked out by hand, and one network for several numbers of patches."""

from dataclasses import replace

import msgspec
import pytest

from fsd.compression.budget import BUDGETS, FOVEATED_BUDGETS, Budget, Fovea
from fsd.compression.ratios import compression_ratios, recording_r_px
from fsd.data.frames import CAMERAS
from fsd.networks.config import NetworkConfig

F100 = FOVEATED_BUDGETS["F100"]


@pytest.mark.parametrize(
    ("name", "pixels", "r_px", "sweep_ticks"),
    [("F50", 196_560, 50.01, 240), ("F100", 98_256, 100.05, 240), ("F200", 49_104, 200.2, 1200)],
)
def test_foveated_budgets_have_the_sizes_of_their_names(name: str, pixels: int, r_px: float, sweep_ticks: int) -> None:
    budget = FOVEATED_BUDGETS[name]
    assert budget.pixels == 5 * 60 * 80 + 3 * 30 * 40 + budget.patch_count * 32 * 32 == pixels
    assert budget.r_px == pytest.approx(r_px, abs=0.01)
    assert budget.input_bytes == pixels * 3 // 2
    assert budget.sweep_ticks == sweep_ticks


def test_repeaters_and_rear_have_the_smaller_base_image() -> None:
    outer = [name for index, name in enumerate(CAMERAS) if F100.base_px(index) == (30, 40)]
    assert outer == ["left_repeater", "right_repeater", "rear"]
    assert F100.base_px(CAMERAS.index("left_pillar")) == (60, 80)


def test_ratios_count_both_sizes_and_the_patches_that_are_used() -> None:
    assert compression_ratios(F100, 16, 8192).r_px == pytest.approx(9_830_400 / 98_256)
    assert compression_ratios(F100, 16, 8192).r_tok == pytest.approx(9600 / (96 + 69 + 112 * 16))
    assert recording_r_px(F100, {"front_main": (640, 480)}) == pytest.approx(307_200 / 98_256)
    assert F100.with_patches(21).pixels == FOVEATED_BUDGETS["F200"].pixels


def test_one_network_has_room_for_any_number_of_patches() -> None:
    drawn = FOVEATED_BUDGETS["F50"].with_patches(21).with_patches(10)
    assert (drawn.patch_count, drawn.patch_slots) == (10, 165)
    assert F100.patch_slots == F100.patch_count
    with pytest.raises(ValueError, match="B100"):
        BUDGETS["B100"].with_patches(10)


def test_whole_blocks_keep_nearly_as_many_patches_as_without_a_fovea() -> None:
    assert F100.fovea is not None
    assert F100.patch_count - F100.fovea.fine_patches >= BUDGETS["B100"].patch_count - 1


@pytest.mark.parametrize(
    ("wrong", "fact"),
    [
        ({"outer_cameras": 8}, "got 8"),
        ({"outer_height_px": 31}, "40x31"),
        ({"fine_patches": 60}, "59 fine"),
        ({"patch_count_max": 68}, "at least 69"),
    ],
)
def test_impossible_foveas_are_refused(wrong: dict[str, int], fact: str) -> None:
    assert F100.fovea is not None
    with pytest.raises(ValueError, match=fact):
        replace(F100, fovea=replace(F100.fovea, **wrong))


def test_a_stored_budget_comes_back_with_its_fovea() -> None:
    assert msgspec.json.decode(msgspec.json.encode(F100), type=Budget) == F100
    config = NetworkConfig(budget=F100)
    assert NetworkConfig.from_dict(msgspec.to_builtins(config)) == config
    assert Budget("old", 60, 80, 58) == msgspec.convert(
        {"name": "old", "base_height_px": 60, "base_width_px": 80, "patch_count": 58}, Budget
    )
    assert F100.fovea == Fovea(3, 30, 40, 12)
