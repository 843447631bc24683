"""A recorded clip becomes two episodes that share nothing, and a fit on one is scored on the other."""

import json
from fractions import Fraction
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from fsd.cli import main  # noqa: E402
from fsd.data.clock import tick_time_ns  # noqa: E402
from fsd.data.errors import ClipError, OutputError, UsageError  # noqa: E402
from fsd.data.frames import MAX_FRAME_AGE_NS  # noqa: E402
from fsd.data.open_clip import open_clip  # noqa: E402
from fsd.data.steering import LINCOLN_MKZ  # noqa: E402
from fsd.networks.config import NetworkConfig  # noqa: E402
from fsd.networks.dataset import find_episodes  # noqa: E402
from fsd.networks.recorded_episodes import EpisodeMaker, TimeSplit, ticks_before  # noqa: E402
from fsd.networks.recorded_fit import OPEN_LOOP, RESULT, RecordedFit, fit_recordings  # noqa: E402
from fsd.networks.train_options import RecordedFitConfig  # noqa: E402
from fsd.networks.training_set import TrainingSet  # noqa: E402
from fsd.networks.weights import save_weights, untrained  # noqa: E402
from tests.networks._tiny import TINY, TINY_FOVEATED  # noqa: E402

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


@pytest.fixture
def maker(tiny_config: NetworkConfig, tmp_path: Path) -> EpisodeMaker:
    return EpisodeMaker(tmp_path / "episodes", tiny_config.budget, LINCOLN_MKZ, CUT_S)


def rows_of(folder: Path, config: NetworkConfig) -> dict[str, np.ndarray]:
    episodes = TrainingSet(find_episodes(folder, config.budget))
    return episodes.read(np.arange(len(episodes)))


@pytest.mark.parametrize("time_ns", [1, 27_777_777, 27_777_778, 27_777_779, 10**9, 120 * 10**9, 120 * 10**9 + 1])
def test_the_ticks_before_a_time_are_exactly_those_that_are_earlier(time_ns: int) -> None:
    count = ticks_before(time_ns)
    assert tick_time_ns(count - 1) < time_ns <= tick_time_ns(count)


def test_the_test_part_begins_after_the_last_image_of_the_training_part(tmp_path: Path) -> None:
    split = TimeSplit.at(open_clip(write_drive(tmp_path / "drive")), CUT_S)
    assert tick_time_ns(split.train_end - 1) < CUT_S * 1e9
    assert tick_time_ns(split.test_begin) - MAX_FRAME_AGE_NS >= CUT_S * 1e9


def test_what_comes_after_the_cut_changes_nothing_that_is_learned(
    maker: EpisodeMaker, tiny_config: NetworkConfig, tmp_path: Path
) -> None:
    for name, from_frame in (("same", 10**9), ("changed", 20)):
        maker.make(open_clip(write_drive(tmp_path / name, from_frame=from_frame)), name)
    episodes = find_episodes(maker.out / "train", tiny_config.budget)
    changed, same = (episode.read(0, episode.ticks) for episode in episodes)
    for name in same:
        np.testing.assert_array_equal(same[name], changed[name], err_msg=name)


def test_images_and_labels_of_a_row_belong_together(
    maker: EpisodeMaker, tiny_config: NetworkConfig, tmp_path: Path
) -> None:
    maker.make(open_clip(write_drive(tmp_path / "drive")), "drive")
    for part in ("train", "test"):
        rows = rows_of(maker.out / part, tiny_config)
        angle = LINCOLN_MKZ.wheel_angle_rad(rows["curvature"][:, 0])
        shown = rows["retina"][:, 0, :4].astype(float).mean(axis=(1, 2, 3))  # luma of front_main
        assert np.corrcoef(angle, shown)[0, 1] > 0.999  # a frame off by one: 0.986
        assert np.isnan(rows["trajectory"]).all()
        assert np.isnan(rows["acceleration"]).all()
        assert (rows["light"] == -1).all()
        assert (rows["ego_valid"] == 0).all()


def test_an_episode_says_how_its_labels_were_made(maker: EpisodeMaker, tmp_path: Path) -> None:
    maker.make(open_clip(write_drive(tmp_path / "drive")), "drive")
    facts = json.loads((maker.out / "train" / "drive" / "episode.json").read_text())
    assert (facts["steering_ratio"], facts["wheelbase_m"]) == (14.8, 2.85)
    assert facts["curvature_from"] == "steering wheel angle"
    assert facts["train_until_s"] == CUT_S


def test_an_episode_made_with_another_cut_is_not_taken_for_this_one(maker: EpisodeMaker, tmp_path: Path) -> None:
    clip = open_clip(write_drive(tmp_path / "drive"))
    maker.make(clip, "drive")
    other = EpisodeMaker(maker.out, maker.budget, LINCOLN_MKZ, 1.2)
    with pytest.raises(OutputError, match=r"train_until_s.*1\.0.*1\.2.*--out"):
        other.make(clip, "drive")


@pytest.mark.parametrize("cut_s", [1e-9, 1.8, 100.0])
def test_a_cut_that_leaves_a_part_empty_is_explained(tmp_path: Path, cut_s: float) -> None:
    clip = open_clip(write_drive(tmp_path / "drive"))
    if cut_s < 1:  # one tick is before any time above 0: too few samples, which the fit says
        assert TimeSplit.at(clip, cut_s).train_end == 1
        return
    with pytest.raises(UsageError, match="--train-until-s"):
        TimeSplit.at(clip, cut_s)


def test_a_fit_is_scored_on_the_part_it_never_saw_beside_zero_and_mean(
    tiny_config: NetworkConfig, tmp_path: Path
) -> None:
    config = RecordedFitConfig(
        recordings=(write_drive(tmp_path / "drive"),),
        out=tmp_path / "run",
        train_until_s=CUT_S,
        network=tiny_config,
        steps=3,
        clips=2,
        threads=1,
    )
    result = fit_recordings(config)
    assert result == msgspec.json.decode((config.out / RESULT).read_bytes(), type=RecordedFit)
    assert (config.out / result.weights).exists()
    assert result.is_steering_assumed
    assert result.learned == ["curvature"]
    assert result.caveat != OPEN_LOOP
    assert (result.train.samples, result.test.samples) == (9, 7)
    wheel = {
        part: LINCOLN_MKZ.wheel_angle_rad(rows_of(config.out / "episodes" / part, tiny_config)["curvature"])
        for part in ("train", "test")
    }
    assert result.test.zero_rmse_rad == pytest.approx(np.sqrt(np.mean(wheel["test"] ** 2)), rel=1e-5)
    mean_error = wheel["test"] - wheel["train"].mean()
    assert result.test.mean_rmse_rad == pytest.approx(np.sqrt(np.mean(mean_error**2)), rel=1e-5)
    assert np.isfinite(result.test.network_rmse_rad)


@pytest.mark.parametrize("network", [TINY, TINY_FOVEATED], ids=["uniform", "foveated"])
def test_a_fit_that_starts_from_weights_takes_their_sizes(network: NetworkConfig, tmp_path: Path) -> None:
    initial = tmp_path / "initial.safetensors"
    save_weights(untrained(network), initial, trained=True)
    drive = write_drive(tmp_path / "drive")
    result = fit_recordings(
        RecordedFitConfig(recordings=(drive,), out=tmp_path / "run", initial=initial, steps=1, clips=1, threads=1)
    )
    assert (result.budget, result.initial) == (network.budget.name, "initial.safetensors")
    assert np.isfinite(result.test.network_rmse_rad)


def test_several_processes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="torchrun"):
        fit_recordings(RecordedFitConfig(recordings=(tmp_path,), out=tmp_path / "run"))


@pytest.mark.slow
def test_a_fit_learns_steering_from_brightness(tiny_config: NetworkConfig, tmp_path: Path) -> None:
    drive = write_drive(tmp_path / "drive", frames=100)
    settings = {"network": tiny_config, "learning_rate": 3e-3, "clips": 6, "threads": 1}
    result = fit_recordings(
        RecordedFitConfig(recordings=(drive,), out=tmp_path / "run", train_until_s=3.5, steps=40, **settings)
    )  # type: ignore[arg-type]
    assert result.test.network_rmse_rad < 0.7 * result.test.zero_rmse_rad


def test_too_few_samples_to_fill_a_clip_are_explained(tiny_config: NetworkConfig, tmp_path: Path) -> None:
    config = RecordedFitConfig(
        recordings=(write_drive(tmp_path / "drive"),), out=tmp_path / "run", train_until_s=0.1, network=tiny_config
    )
    with pytest.raises(ClipError, match=r"\b1\b.*\b3\b.*--train-until-s"):
        fit_recordings(config)


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
