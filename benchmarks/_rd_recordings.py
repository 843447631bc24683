"""Real video: what each policy keeps of it, at equal bytes. No driving error here.

These recordings have no plans to compare with, and a network that was trained in a simulator says nothing about real
streets (it steers worse than driving straight), so neither its error nor its distance from a dense network's plan would
mean anything. What is measured is the compressor's own work, against the pictures:

- `psnr_db`: luma of what the network is given at a tick (the base image enlarged, this tick's patches in their places)
  against the picture at 640x480, mean over cameras. It rewards detail wherever it is, not where it matters.
- `news_recall`: of the blocks that show something new (`_rd_news`: no motion explains them, and nothing was new there
  in the nine ticks before), the share that a patch shows within nine ticks, and at the same tick.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _rd_news import NewsDetector, NewsWatch, area_mean
from _rd_pooling import Rectangle
from _rd_scene_cuts import PySceneCuts, has_pyscenedetect
from _rd_variants import RATES, SHARED_POLICIES, Lane, Variant, pictures_shown
from PIL import Image

from fsd.compression.budget import PATCH_PX
from fsd.compression.frame_selection import FrameSelection, SceneCuts
from fsd.compression.policies import spent_budget
from fsd.compression.tick import CompressedTick
from fsd.data.clip import open_clip
from fsd.data.files import write_text
from fsd.data.frame_source import FrameSource
from fsd.data.frames import GRID_COLUMNS, FrameSet

CLIPS = {
    "surround 1": "nvidia7cam/002b815b",
    "surround 2": "nvidia7cam/08a1a9fd",
    "mountain road": "udacity_ch2/ch2_hmb3_0000_3599_dev.mp4",
    "highway 1": "udacity_clips/solidWhiteRight.mp4",
    "highway 2": "udacity_clips/test_video.mp4",
}
"""Where they are in the folder of recordings; those that are missing are left out, and the table says so."""

PSNR_EVERY_TICKS = 9
_HEIGHT, _WIDTH = 480, 640


def measured_variants(rates: Sequence[int]) -> list[Variant]:
    """All policies at some of the rates, without a network."""
    chosen = [RATES[index] for index in rates]
    shared = [
        Variant(f"{policy}/{rate.name}", policy, policy, rate, "") for policy in SHARED_POLICIES for rate in chosen
    ]
    return shared + [
        Variant(f"downscale/{rate.name}", "downscale", "downscale", spent_budget("downscale", rate), "")
        for rate in chosen
    ]


def measure_clip(path: Path, rates: Sequence[int], max_ticks: int | None) -> dict[str, Any]:
    """All policies on one clip: figures by variant, how much was new, and how many cuts two detectors found."""
    clip = open_clip(path)
    lanes = [Lane(variant, clip.rig) for variant in measured_variants(rates)]
    detector, watch = NewsDetector(), NewsWatch(len(lanes))
    quality = [[0.0, 0.0] for _ in lanes]  # squared error, pixels
    selections: dict[str, FrameSelection] = {"ours": SceneCuts()}
    if has_pyscenedetect():
        selections["pyscenedetect"] = PySceneCuts()
    cuts = dict.fromkeys(selections, 0)
    ticks = 0
    with FrameSource(clip, workers=1, max_ticks=max_ticks) as source:
        for frame_set in source:
            is_news = detector.find(frame_set)
            for name, selection in selections.items():
                cuts[name] += int(selection.select(frame_set).is_new.sum())
            ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
            truth = _pictures(frame_set) if ticks % PSNR_EVERY_TICKS == PSNR_EVERY_TICKS - 1 else {}
            shown = []
            for lane, sums in zip(lanes, quality, strict=True):
                tick = lane.step(frame_set, ego, None)
                shown.append(pictures_shown(tick))
                for camera, picture in truth.items():
                    given = given_luma(tick, camera, lane.rectangles)
                    sums[0] += float(((given.astype(np.float32) - picture) ** 2).sum())
                    sums[1] += picture.size
            watch.step(frame_set.tick, is_news, np.stack(shown))
            ticks += 1
    return {
        "ticks": ticks,
        "cameras": sum(stream is not None for stream in clip.streams),
        "news": watch.news,
        "pictures_shown_by_scene_cuts": cuts,
        "variants": {
            lane.variant.name: {"psnr_db": _psnr(*sums), "bytes": lane.variant.budget.input_bytes}
            | watch.figures(index)
            for index, (lane, sums) in enumerate(zip(lanes, quality, strict=True))
        },
    }


def _psnr(squared_error: float, pixels: float) -> float:
    return 10.0 * math.log10(255.0**2 / max(squared_error / pixels, 1e-9)) if pixels else math.nan


def _pictures(frame_set: FrameSet) -> dict[int, np.ndarray]:
    """Valid cameras' luma at 640x480, as float."""
    return {
        camera: area_mean(frame.y_plane, _HEIGHT, _WIDTH).astype(np.float32)
        for camera, frame in enumerate(frame_set.frames)
        if frame is not None and frame_set.is_valid[camera]
    }


def given_luma(tick: CompressedTick, camera: int, rectangles: Sequence[tuple[int, Rectangle]] = ()) -> np.ndarray:
    """(480, 640) uint8: a camera as the network is given it at this tick; smooth where only the base image is.

    `rectangles` say what patches cover where they are more than a block each.
    """
    canvas = np.asarray(_enlarged(unpacked_luma(tick.retina[camera]), _WIDTH, _HEIGHT)).copy()
    for index in np.flatnonzero(tick.patch_camera == camera).tolist():
        if rectangles:
            top, bottom, left, right = rectangles[index][1]
        else:
            top, left = divmod(int(tick.patch_block[index]), GRID_COLUMNS)
            bottom, right = top + 1, left + 1
        patch = unpacked_luma(tick.patches[index])
        wide, high = (right - left) * PATCH_PX, (bottom - top) * PATCH_PX
        canvas[top * PATCH_PX : bottom * PATCH_PX, left * PATCH_PX : right * PATCH_PX] = _enlarged(patch, wide, high)
    return canvas


def _enlarged(luma: np.ndarray, width: int, height: int) -> np.ndarray:
    if luma.shape == (height, width):
        return luma
    return np.asarray(Image.fromarray(luma).resize((width, height), Image.Resampling.BILINEAR))


def unpacked_luma(packed: np.ndarray) -> np.ndarray:
    """(2h, 2w) luma of a packed (6, h, w) image."""
    _, height, width = packed.shape
    return packed[:4].reshape(2, 2, height, width).transpose(2, 0, 3, 1).reshape(2 * height, 2 * width)


def measure_recordings(
    folder: Path, out: Path, rates: Sequence[int], max_ticks: int | None
) -> dict[str, dict[str, Any]]:
    """All clips that are there; each leaves a file in `out` and is not measured again."""
    out.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, Any]] = {}
    for name, where in CLIPS.items():
        result = out / f"{name.replace(' ', '_')}-{max_ticks}-{'_'.join(map(str, rates))}.json"
        if not result.exists() and (folder / where).exists():
            write_text(result, json.dumps(measure_clip(folder / where, rates, max_ticks), indent=1) + "\n")
        if result.exists():
            found[name] = json.loads(result.read_text(encoding="utf-8"))
    return found
