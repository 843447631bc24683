from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from fsd.cli import main
from fsd.data.frames import RATE_HZ
from fsd.outputs.replay_summary import ReplaySummary
from fsd.outputs.summary_file import load_summary
from fsd.overlay.layout import OverlayConfig
from fsd.overlay.video_size import HEIGHTS_PX, LEAST_BYTES_PER_IMAGE, MEGABYTE, encoding_for, least_megabytes
from fsd.overlay.video_writer import VideoWriter, expected_images, fit_file


def noise(path: Path, images: int, encoding: object = None) -> None:
    """A video that is hard to compress."""
    random = np.random.default_rng(0)
    video = VideoWriter(path, 640, 360, RATE_HZ, encoding)  # type: ignore[arg-type]
    for _ in range(images):
        video.write(Image.fromarray(random.integers(0, 255, (360, 640, 3), np.uint8)))
    video.close()


def decoded(path: Path) -> tuple[int, tuple[int, int]]:
    with av.open(str(path)) as video:
        images = list(video.decode(video=0))
    times = [float(image.time) for image in images]
    assert times == pytest.approx(np.arange(len(images)) / 36, abs=1e-3)
    return len(images), (images[0].width, images[0].height)


def test_the_tallest_images_can_be_written(tmp_path: Path) -> None:
    size = round(HEIGHTS_PX[0] * 16 / 9), HEIGHTS_PX[0]
    video = VideoWriter(tmp_path / "tall.mp4", *size, RATE_HZ)
    video.write(Image.new("RGB", size))
    video.close()
    assert decoded(tmp_path / "tall.mp4") == (1, size)


def test_a_video_without_a_limit_is_close_to_its_images(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:180, :320]
    shown = [
        np.stack([(columns + 8 * tick) % 200, rows + 40, (rows + columns) // 3 + tick], axis=-1).astype(np.uint8)
        for tick in range(12)
    ]
    video = VideoWriter(tmp_path / "near.mp4", 320, 180, RATE_HZ)
    for image in shown:
        video.write(Image.fromarray(image))
    video.close()
    with av.open(str(tmp_path / "near.mp4")) as file:
        images = [image.to_ndarray(format="rgb24", src_colorspace="ITU709") for image in file.decode(video=0)]
    errors = np.abs(np.array(images).astype(int) - np.array(shown))
    assert len(images) == 12
    assert errors.mean() < 3
    assert np.abs((np.array(images).astype(int) - np.array(shown)).mean(axis=(0, 1, 2))).max() < 1.5  # no colour shifts


@pytest.mark.parametrize("max_mb", [0.5, 0.06])
def test_the_overlay_keeps_its_limit_with_all_images(small_clip: Path, tmp_path: Path, max_mb: float) -> None:
    options = ["--out", str(tmp_path), "--no-mcap", "--no-report", "--max-mb", str(max_mb)]
    assert main(["replay", str(small_clip), *options]) == 0
    path = tmp_path / "overlay.mp4"
    assert path.stat().st_size <= max_mb * MEGABYTE
    assert decoded(path)[0] == 40
    file = load_summary(tmp_path / "summary.json", ReplaySummary).overlay_file
    assert file is not None
    assert (file.images, file.max_mb, file.megabytes) == (40, max_mb, path.stat().st_size / MEGABYTE)
    assert (file.width_px, file.height_px) == decoded(path)[1]


def test_an_impossible_limit_is_refused_with_the_least_possible_one(
    small_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["replay", str(small_clip), "--out", str(out), "--max-mb", "0.001"]) == 2
    assert f"{least_megabytes(40):g}" in capsys.readouterr().err
    assert not out.exists()


def test_a_video_that_begins_past_the_end_is_explained(
    small_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = ["--max-ticks", "3", "--no-mcap", "--no-report"]
    assert main(["replay", str(small_clip), "--out", str(tmp_path), "--from", "9", *quick]) == 0
    assert "--from 9 s" in capsys.readouterr().out
    file = load_summary(tmp_path / "summary.json", ReplaySummary).overlay_file
    assert file is not None
    assert (file.file, file.images) == (None, 0)
    assert "0.08 s" in str(file.why)
    assert not (tmp_path / "overlay.mp4").exists()


def test_a_file_over_the_limit_is_encoded_once_more_and_fits(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    noise(path, 36)
    before = path.stat().st_size
    first = encoding_for(10 * before, 36, 640, 360)
    limit = 0.3 * before
    assert fit_file(path, limit, 36, first) is not first
    assert path.stat().st_size <= limit
    assert decoded(path)[0] == 36
    assert [each.name for each in tmp_path.iterdir()] == ["noise.mp4"]


def test_a_file_within_the_limit_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    noise(path, 2)
    content, encoding = path.read_bytes(), encoding_for(1e6, 2, 640, 360)
    assert fit_file(path, len(content), 2, encoding) is encoding
    assert path.read_bytes() == content


def test_even_noise_keeps_the_least_limit(tmp_path: Path) -> None:
    path, images = tmp_path / "noise.mp4", 72
    limit = least_megabytes(images) * MEGABYTE
    encoding = encoding_for(limit, images, 640, 360)
    noise(path, images, encoding)
    fit_file(path, limit, images, encoding)
    assert path.stat().st_size <= limit
    assert decoded(path)[0] == images


def test_fewer_bits_give_a_lower_rate_and_smaller_images() -> None:
    found = [encoding_for(megabytes * MEGABYTE, 36 * 60, 1280, 720) for megabytes in (50, 5, 1, 0.4)]
    heights = [each.height_px for each in found]
    assert heights[0] == 720
    assert heights == sorted(heights, reverse=True)
    assert heights[-1] == 180
    for encoding, megabytes in zip(found, (50, 5, 1, 0.4), strict=True):
        assert encoding.bit_rate is not None
        assert encoding.bit_rate * 60 <= 8 * megabytes * MEGABYTE
        assert encoding.width_px % 2 == 0


def test_only_the_images_of_the_video_count() -> None:
    assert expected_images(OverlayConfig(from_s=1.0, to_s=3.0), 1000) == 72
    assert expected_images(OverlayConfig(), 1000) == 1000
    assert least_megabytes(36_000) * MEGABYTE >= 36_000 * LEAST_BYTES_PER_IMAGE
