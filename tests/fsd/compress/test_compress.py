"""`fsd compress` writes what was kept, whatever the policy, and keeps it when it is stopped."""

import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from fsd.cli import main
from fsd.compress.compress import compress
from fsd.compress.compression_log import log_schema
from fsd.compress.config import LOG_FILE, CompressConfig, parse_budget
from fsd.compression.budget import ALL_BUDGETS, DEFAULT_BUDGET, FOVEATED_BUDGETS
from fsd.compression.compressor import Compressor
from fsd.compression.policy_names import POLICIES
from fsd.data.errors import ClockError
from fsd.data.frames import CAMERAS
from fsd.data.open_clip import open_clip
from fsd.data.result_record import RECORD_FILE
from fsd.outputs.camera_resolution import clip_resolution
from fsd.outputs.compress_summary import CompressSummary
from fsd.outputs.run_folder import list_column
from fsd.outputs.summary_file import load_summary
from tests.fsd._pages import checked

DEFAULT = ALL_BUDGETS[DEFAULT_BUDGET]
FILES = (LOG_FILE, "mosaic.png", "mosaic_plain.png", "compress.html", "summary.json")


@pytest.fixture(scope="module")
def kept(small_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compress") / "kept"
    compress(CompressConfig(clip=small_clip, out=folder), show_progress=False)
    return folder


def summary_of(folder: Path) -> CompressSummary:
    return load_summary(folder / "summary.json", CompressSummary)


def test_everything_is_written(kept: Path) -> None:
    assert {path.name for path in kept.iterdir()} == {*FILES, RECORD_FILE}
    assert summary_of(kept).status == "complete"


def test_the_table_has_a_row_a_tick_with_what_was_read(kept: Path) -> None:
    table = pq.read_table(kept / LOG_FILE)
    camera, gap = list_column(table, "patch_camera"), list_column(table, "patch_gap_ticks")
    assert table.num_rows == summary_of(kept).ticks == 40
    assert (camera >= 0).all()
    assert (gap[0] == -1).all()
    assert (gap[1:] >= 1).any()


def test_the_summary_adds_up_to_the_table(kept: Path) -> None:
    table, summary = pq.read_table(kept / LOG_FILE), summary_of(kept)
    camera = list_column(table, "patch_camera")
    assert list(summary.gaze.patches.values()) == [(camera == index).sum() for index in range(8)]
    counts = list_column(table, "is_keyframe").sum(axis=0)
    assert list(summary.keyframes.count.values()) == counts.tolist()
    seconds = summary.drive_s
    bytes_in = table["bytes_in"].to_numpy().sum() / seconds
    assert summary.compression.bytes_in_per_second == pytest.approx(bytes_in, abs=1)


def test_bytes_out_are_those_of_the_budget_at_every_tick(kept: Path) -> None:
    out = pq.read_table(kept / LOG_FILE)["bytes_out"].to_numpy()
    assert set(out.tolist()) == {DEFAULT.input_bytes}


def test_the_page_asks_no_network_and_has_its_sections(kept: Path) -> None:
    headings = checked(kept / "compress.html").headings
    assert headings[:4] == ["What the network gets", "Keyframes", "Gaze", "Resolution"]
    assert headings[4:6] == ["Event to gaze", "Bytes per second"]


def test_ratio_and_resolution_are_of_the_recordings_own_cameras(kept: Path, small_clip: Path) -> None:
    summary, clip = summary_of(kept), open_clip(small_clip)
    assert summary.compression.r_px_of_this_recording == pytest.approx(8 * 128 * 96 / 98_256, abs=0.01)
    assert summary.resolution == clip_resolution(clip, DEFAULT)
    assert set(summary.resolution) == set(clip.sizes_px) == set(CAMERAS)


def test_motion_is_estimated_from_the_pictures_when_told_so(small_clip: Path, tmp_path: Path) -> None:
    config = CompressConfig(clip=small_clip, out=tmp_path, max_ticks=12, use_ego=False)
    assert "ego" not in compress(config, show_progress=False).odometry_ticks


@pytest.mark.parametrize("policy", ["downscale", "scene-cut"])
def test_a_baseline_spends_no_more_than_the_budget(policy: str, small_clip: Path, tmp_path: Path) -> None:
    summary = compress(CompressConfig(clip=small_clip, out=tmp_path, policy=policy, max_ticks=6), show_progress=False)
    assert summary.policy == policy
    assert 0 < summary.compression.bytes_per_tick <= DEFAULT.input_bytes


def test_the_same_recording_is_kept_in_the_same_way_twice(kept: Path, small_clip: Path, tmp_path: Path) -> None:
    compress(CompressConfig(clip=small_clip, out=tmp_path, decode_workers=1), show_progress=False)
    assert pq.read_table(tmp_path / LOG_FILE).equals(pq.read_table(kept / LOG_FILE))


def test_a_run_that_breaks_off_keeps_what_it_has(
    small_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Compressor.step

    def breaks(self: Compressor, frame_set: Any, *rest: Any) -> Any:
        if frame_set.tick == 5:
            raise ClockError("the clock stood still")
        return step(self, frame_set, *rest)

    monkeypatch.setattr(Compressor, "step", breaks)
    with pytest.raises(ClockError, match="stood still"):
        compress(CompressConfig(clip=small_clip, out=tmp_path), show_progress=False)
    assert summary_of(tmp_path).status == "failed"
    assert pq.read_table(tmp_path / LOG_FILE).num_rows == 5
    assert "the clock stood still" in checked(tmp_path / "compress.html").text


def test_the_table_on_the_terminal_names_ratios_cameras_and_files(
    small_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compress", str(small_clip), "--out", str(tmp_path), "--max-ticks", "16"]) == 0
    text = capsys.readouterr().out
    for words in (
        "R_px 100.05:1 (1.0:1 of this recording)",
        "px/deg of source",
        "R_tok",
        "R_mem",
        "MB/s out",
        "left_repeater",
        "keyframes/s",
        "mosaic.png",
    ):
        assert words in text


def test_a_mosaic_past_the_end_shows_the_last_tick_and_says_so(small_clip: Path, tmp_path: Path) -> None:
    assert main(["compress", str(small_clip), "--out", str(tmp_path), "--max-ticks", "3", "--mosaic-at", "9"]) == 0
    mosaic = summary_of(tmp_path).mosaic
    assert mosaic is not None
    assert mosaic.tick == 2
    assert "--mosaic-at 9 s" in str(mosaic.why)


def test_a_custom_budget_is_width_height_and_patches() -> None:
    budget = parse_budget("80x60+58")
    assert (budget.base_width_px, budget.base_height_px, budget.patch_count) == (80, 60, 58)


def test_a_policy_without_a_sweep_claims_no_bound(small_clip: Path, tmp_path: Path) -> None:
    config = CompressConfig(clip=small_clip, out=tmp_path, policy="run-length", max_ticks=3)
    assert compress(config, show_progress=False).gaze.sweep_bound_ticks is None


def test_a_budget_with_a_fovea_says_which_patches_are_fine(small_clip: Path, tmp_path: Path) -> None:
    config = CompressConfig(clip=small_clip, out=tmp_path, budget="F200", max_ticks=3)
    summary = compress(config, show_progress=False)
    table = pq.read_table(tmp_path / LOG_FILE)
    assert summary.gaze.fine_share == 0  # the pictures are smaller than 960x720
    assert (list_column(table, "patch_quarter") == -1).all()
    assert summary.resolution == clip_resolution(open_clip(small_clip), FOVEATED_BUDGETS["F200"])
    assert summary.resolution["rear"].retina_sample_px[0] == 2 * summary.resolution["front_main"].retina_sample_px[0]


@pytest.mark.parametrize("words", ["B7", "80x60", "81x60+4", "80x60+0", "80x60+2401", "1282x960+4", "80x99999999+4"])
def test_a_budget_that_cannot_be_is_refused(words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compress", str(tmp_path), "--budget", words]) == 2
    assert re.search("budget|base image", capsys.readouterr().err)


def test_every_column_and_policy_is_documented() -> None:
    document = (Path(__file__).resolve().parents[3] / "docs" / "compress.md").read_text()
    fields = [field.encode_name for field in msgspec.structs.fields(CompressSummary)]
    for name in [*log_schema(FOVEATED_BUDGETS["F100"], "adaptive").names, *POLICIES, *FILES, *fields]:
        assert f"`{name}`" in document, name


def test_the_oldest_block_is_never_older_than_the_sweeps_bound(kept: Path) -> None:
    oldest = list_column(pq.read_table(kept / LOG_FILE), "oldest_block_ticks")
    assert oldest.max() <= DEFAULT.sweep_ticks
    assert np.all(oldest >= 0)
