"""Recorded clips are divided in time into parts that share nothing, and a fit on one is scored on the other."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from fsd.cli import main  # noqa: E402
from fsd.data.clock import tick_time_ns  # noqa: E402
from fsd.data.errors import ClipError, UsageError  # noqa: E402
from fsd.data.open_clip import open_clip  # noqa: E402
from fsd.data.steering import LINCOLN_MKZ  # noqa: E402
from fsd.networks.dataset_training.chunks import RecordedChunks, TimeCut  # noqa: E402
from fsd.networks.drives.clip_builder import BuildSettings, build_clip  # noqa: E402
from fsd.networks.drives.clip_record import CLIPS_FOLDER, read_record  # noqa: E402
from fsd.networks.drives.recorded_dataset import INDEX_FILE, index_table  # noqa: E402
from fsd.networks.recorded_episodes import ticks_before  # noqa: E402
from fsd.networks.recorded_fit import OPEN_LOOP, RESULT, RecordedFit, fit_recordings  # noqa: E402
from fsd.networks.train_options import RecordedFitConfig  # noqa: E402
from fsd.networks.training_log import PROGRESS, read_progress  # noqa: E402
from fsd.networks.weights import load_weights  # noqa: E402
from tests.networks.dataset_training._made import SMALL  # noqa: E402

START_NS = 1_479_425_441_182_877_835
CUT_S = 1.0


def write_drive(folder: Path, frames: int = 40, angles: bool = True, from_frame: int = 10**9) -> Path:
    """A 20 Hz front video whose brightness says how the wheel is turned; from a frame on all is different."""
    folder.mkdir()
    rows = ["frame,timestamp_ns" + (",steering_angle_rad" if angles else "")]
    with av.open(str(folder / "drive.mp4"), "w") as container:
        # Each picture by itself: what comes later cannot change how it was encoded.
        stream = container.add_stream(
            "libx264", rate=Fraction(20), options={"g": "1", "preset": "ultrafast", "qp": "20"}
        )
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(frames):
            angle = 0.4 * np.sin(index / 6) if index < from_frame else 3.0
            picture = np.full((48, 64, 3), round(128 + 100 * angle) if index < from_frame else 20, np.uint8)
            picture[::8] = 250
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            rows.append(f"{index},{START_NS + 50_000_000 * index}" + (f",{angle}" if angles else ""))
        container.mux(stream.encode(None))
    (folder / "drive.csv").write_text("\n".join(rows) + "\n")
    return folder


def dataset_of(folder: Path, *drives: Path) -> Path:
    """A data set of drives at B400."""
    for drive in drives:
        build_clip(open_clip(drive), drive.name, folder / CLIPS_FOLDER / drive.name, BuildSettings(("B400",)))
    records = [read_record(folder / CLIPS_FOLDER / drive.name) for drive in drives]
    pq.write_table(index_table(records), folder / INDEX_FILE)
    return folder


def part_of(dataset: Path, is_before: bool) -> list[dict[str, np.ndarray]]:
    """All rows of one part, by clip."""
    source = RecordedChunks(dataset, SMALL.budget, None, TimeCut(CUT_S, is_before))
    return [source.read(chunk, range(len(chunk))) for chunk in source.chunks]


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drive(tmp_path_factory.mktemp("recorded") / "drive")


@pytest.fixture(scope="module")
def dataset(drive: Path) -> Path:
    return dataset_of(drive.parent / "dataset", drive)


@pytest.fixture
def config(drive: Path, tmp_path: Path) -> RecordedFitConfig:
    return RecordedFitConfig(
        recordings=(drive,), out=tmp_path / "run", train_until_s=CUT_S, steps=3, clips=2, threads=1, mirror=False
    )


@pytest.mark.parametrize("time_ns", [1, 27_777_777, 27_777_778, 27_777_779, 10**9, 120 * 10**9, 120 * 10**9 + 1])
def test_the_ticks_before_a_time_are_exactly_those_that_are_earlier(time_ns: int) -> None:
    count = ticks_before(time_ns)
    assert tick_time_ns(count - 1) < time_ns <= tick_time_ns(count)


def test_what_comes_after_the_cut_changes_nothing_that_is_learned(tmp_path: Path) -> None:
    drives = [
        write_drive(tmp_path / name, from_frame=from_frame) for name, from_frame in (("changed", 20), ("same", 10**9))
    ]
    changed, same = part_of(dataset_of(tmp_path / "dataset", *drives), True)
    for name in same:
        np.testing.assert_array_equal(same[name], changed[name], err_msg=name)


def test_images_and_labels_of_a_row_belong_together(dataset: Path) -> None:
    for is_before in (True, False):
        (rows,) = part_of(dataset, is_before)
        known = np.isfinite(rows["curvature"][:, 0])
        angle = LINCOLN_MKZ.wheel_angle_rad(rows["curvature"][known, 0])
        shown = rows["retina"][known, 0, :4].astype(float).mean(axis=(1, 2, 3))  # luma of front_main
        assert np.corrcoef(angle, shown)[0, 1] > 0.999  # a frame off by one: 0.986
        assert np.isnan(rows["trajectory"]).all()
        assert np.isnan(rows["acceleration"]).all()
        assert (rows["light"] == -1).all()
        assert (rows["ego_valid"] == 0).all()


def test_a_fit_is_scored_on_the_part_it_never_saw_beside_zero_and_mean(
    config: RecordedFitConfig, dataset: Path
) -> None:
    result = fit_recordings(config, dataset, SMALL)
    assert result is not None
    assert result == msgspec.json.decode((config.out / RESULT).read_bytes(), type=RecordedFit)
    assert (config.out / result.weights).exists()
    assert result.is_steering_assumed
    assert (result.learned, result.clips, result.train_until_s) == (["curvature"], ["drive"], [CUT_S])
    assert result.curvature_from == ["steering wheel angle"]
    assert result.caveat != OPEN_LOOP
    assert (result.train.samples, result.test.samples) == (7, 6)
    wheel = [LINCOLN_MKZ.wheel_angle_rad(part_of(dataset, is_before)[0]["curvature"]) for is_before in (True, False)]
    learned, test = (angles[np.isfinite(angles)] for angles in wheel)
    assert result.test.zero_rmse_rad == pytest.approx(np.sqrt(np.mean(test**2)), rel=1e-5)
    assert result.test.mean_rmse_rad == pytest.approx(np.sqrt(np.mean((test - learned.mean()) ** 2)), rel=1e-5)
    assert np.isfinite(result.test.network_rmse_rad)
    assert np.isfinite(result.test.masked_rmse_rad)
    assert result.test.masked_rmse_rad != result.test.network_rmse_rad
    last = read_progress(config.out / PROGRESS)[-1]
    assert last["held_out_curvature_mae_per_m:constant velocity"] > 0
    assert load_weights(config.out / result.weights)[1].notes["weights"] == "last"


@pytest.mark.slow
def test_a_fit_learns_steering_from_brightness(config: RecordedFitConfig, tmp_path: Path) -> None:
    drive = write_drive(tmp_path / "drive", frames=100)
    longer = replace(config, train_until_s=3.5, steps=40, clips=6, learning_rate=3e-3)
    result = fit_recordings(longer, dataset_of(tmp_path / "dataset", drive), SMALL)
    assert result is not None
    assert result.test.network_rmse_rad < 0.7 * min(result.test.zero_rmse_rad, result.test.masked_rmse_rad)


@pytest.mark.parametrize(
    ("cut_s", "error", "message"),
    [(0.1, ClipError, r"\b1\b.*\b3\b.*--train-until-s"), (1.9, UsageError, "--train-until-s")],
)
def test_a_cut_that_leaves_a_part_too_short_is_explained(
    config: RecordedFitConfig, dataset: Path, cut_s: float, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fit_recordings(replace(config, train_until_s=cut_s), dataset, SMALL)


def test_a_clip_without_labels_is_exit_code_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drive = write_drive(tmp_path / "drive", angles=False)
    assert main(["train", "--clips", str(drive), "--out", str(tmp_path / "run")]) == 3
    assert "steering_angle_rad" in capsys.readouterr().err


def test_a_missing_recording_leaves_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "missing"
    assert main(["train", "--clips", str(missing), "--out", str(tmp_path / "run")]) == ClipError.exit_code
    assert str(missing) in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["--train-until-s", "3"], "--train-until-s"),
        (["--mix", "3"], "--mix"),
        (["drives", "--train-until-s", "3"], "--train-until-s"),
        (["drives", "--rounds", "1:1"], "--rounds"),
        (["drives", "--mix", "1", "2"], "--mix"),
        (["drives", "--clips", "drive"], "--clips"),
        (["--clips", "drive", "--rounds", "1:1"], "--rounds"),
        (["--clips", "drive", "--loss-share", "0.2"], "--loss-share"),
        (["--clips", "drive", "--steering-ratio", "0"], "--steering-ratio"),
        (["--clips", "drive", "--train-until-s", "-1"], "--train-until-s"),
        (["--rounds", "1:1:0.001"], "--rate 0.001"),
    ],
)
def test_options_that_do_not_fit_are_exit_code_2(
    words: list[str], option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *words, "--out", str(tmp_path)]) == 2
    assert option in capsys.readouterr().err
