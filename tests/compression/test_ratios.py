"""The three ratios and the sizes of the budgets, against numbers worked out by hand."""

import pytest

from fsd.compression.budget import BUDGETS, Budget
from fsd.compression.ratios import compression_ratios, recording_r_px
from fsd.data.frames import CAMERAS


@pytest.mark.parametrize(
    ("name", "pixels", "r_px"),
    [("B25", 393_216, 25), ("B50", 196_608, 50), ("B100", 97_792, 100.5), ("B200", 48_640, 202), ("B400", 23_936, 411)],
)
def test_budgets_have_the_sizes_of_the_design(name: str, pixels: int, r_px: float) -> None:
    assert BUDGETS[name].pixels == pixels
    assert BUDGETS[name].r_px == pytest.approx(r_px, rel=0.002)


def test_ratios_of_the_default_budget() -> None:
    ratios = compression_ratios(BUDGETS["B100"], slot_tokens=16, slot_bytes=16 * 64 * 2 * 4)
    assert ratios.r_px == pytest.approx(9_830_400 / 97_792)
    assert ratios.r_tok == pytest.approx(9600 / (96 + 58 + 112 * 16))
    assert ratios.r_mem == pytest.approx(14_745_600 * 36 * 60 / (112 * 8192))
    assert ratios.r_mem > 30_000


@pytest.mark.parametrize(
    ("sizes_px", "r_px"),
    [
        (dict.fromkeys(CAMERAS, (1280, 960)), 100.52),
        (dict.fromkeys(CAMERAS, (640, 480)), 25.13),
        ({"front_main": (640, 480)}, 3.14),
        ({"front_main": (2896, 1876), **dict.fromkeys(CAMERAS[3:], (1448, 938))}, 125.0),
        ({}, 0.0),
    ],
)
def test_a_recordings_ratio_is_of_its_own_cameras_and_sizes(sizes_px: dict[str, tuple[int, int]], r_px: float) -> None:
    assert recording_r_px(BUDGETS["B100"], sizes_px) == pytest.approx(r_px, abs=0.01)


@pytest.mark.parametrize(("wrong", "fact"), [((61, 80, 4), "80x61"), ((6, 80, 4), "80x6"), ((60, 80, 0), "patch")])
def test_impossible_budgets_are_refused(wrong: tuple[int, int, int], fact: str) -> None:
    with pytest.raises(ValueError, match=fact):
        Budget("wrong", *wrong)


def test_small_budgets_sweep_slower_so_that_half_is_left_for_the_gaze() -> None:
    assert {name: budget.sweep_ticks for name, budget in BUDGETS.items()} == {
        "B25": 240,
        "B50": 240,
        "B100": 240,
        "B200": 480,
        "B400": 343,
    }
