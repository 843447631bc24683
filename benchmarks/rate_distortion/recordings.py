"""Real video: what each policy keeps of it, at equal bytes. No driving error.

These recordings have no plans to compare with, and a network trained in a simulator is meaningless on real streets (it
steers worse than driving straight). So neither its error nor its distance from a dense network's plan is measured, only
the compressor's own work, against the images:

- `psnr_db`: luma of the network's input at a tick (the base image enlarged, this tick's patches in their places)
  against the image at 640x480, mean over cameras. It rewards all detail alike, important or not.
- `novelty_recall`: of the blocks that are novel (`rate_distortion.novelty`) and were not in the nine ticks before, the
  share that a patch shows within nine ticks; `novelty_recall_same_tick`: at the same tick.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fsd.compression.budget import PATCH_PX
from fsd.compression.frame_selection import FrameSelection, SceneCuts
from fsd.compression.policies import policy_budget
from fsd.compression.tick import CompressedTick
from fsd.data.files import write_text
from fsd.data.frame_source import FrameSource
from fsd.data.frames import FrameSet
from fsd.data.open_clip import open_clip
from rate_distortion.novelty import NoveltyDetector, NoveltyRecall, area_mean
from rate_distortion.pooling import Rectangle
from rate_distortion.scene_cuts import PySceneCuts, has_pyscenedetect
from rate_distortion.variants import RATES, SHARED_POLICIES, Variant, VariantCompressor, image_ticks

CLIPS = {
    "surround 1": "nvidia7cam/002b815b",
    "surround 2": "nvidia7cam/08a1a9fd",
    "mountain road": "udacity_ch2/ch2_hmb3_0000_3599_dev.mp4",
    "highway 1": "udacity_clips/solidWhiteRight.mp4",
    "highway 2": "udacity_clips/test_video.mp4",
}
"""Name -> path in the folder of recordings; missing clips are left out, and the output names them."""

PSNR_EVERY_TICKS = 9
_HEIGHT, _WIDTH = 480, 640


def recording_variants(rates: Sequence[int]) -> list[Variant]:
    """All policies at the rates with these indices, without a network."""
    chosen = [RATES[index] for index in rates]
    shared = [
        Variant(f"{policy}/{rate.name}", policy, policy, rate, "") for policy in SHARED_POLICIES for rate in chosen
    ]
    return shared + [
        Variant(f"downscale/{rate.name}", "downscale", "downscale", policy_budget("downscale", rate), "")
        for rate in chosen
    ]


def measure_clip(path: Path, rates: Sequence[int], max_ticks: int | None) -> dict[str, Any]:
    """All policies on one clip: metrics by variant, number of novel blocks, and cuts found by the two detectors."""
    clip = open_clip(path)
    compressors = [VariantCompressor(variant, clip.rig) for variant in recording_variants(rates)]
    detector, recall = NoveltyDetector(), NoveltyRecall(len(compressors))
    quality = [[0.0, 0.0] for _ in compressors]  # squared error, pixels
    selections: dict[str, FrameSelection] = {"ours": SceneCuts()}
    if has_pyscenedetect():
        selections["pyscenedetect"] = PySceneCuts()
    cuts = dict.fromkeys(selections, 0)
    ticks = 0
    with FrameSource(clip, workers=1, max_ticks=max_ticks) as source:
        for frame_set in source:
            is_novel = detector.find(frame_set)
            for name, selection in selections.items():
                cuts[name] += int(selection.select(frame_set).is_new.sum())
            ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
            truth = _images(frame_set) if ticks % PSNR_EVERY_TICKS == PSNR_EVERY_TICKS - 1 else {}
            shown = []
            for compressor, sums in zip(compressors, quality, strict=True):
                tick = compressor.step(frame_set, ego, None)
                shown.append(image_ticks(tick))
                for camera, image in truth.items():
                    given = given_luma(tick, camera, compressor.rectangles)
                    sums[0] += float(((given.astype(np.float32) - image) ** 2).sum())
                    sums[1] += image.size
            recall.step(frame_set.tick, is_novel, np.stack(shown))
            ticks += 1
    return {
        "ticks": ticks,
        "cameras": sum(stream is not None for stream in clip.streams),
        "novel_blocks": recall.novel_blocks,
        "images_shown_by_scene_cuts": cuts,
        "variants": {
            compressor.variant.name: {"psnr_db": _psnr(*sums), "bytes": compressor.variant.budget.input_bytes}
            | recall.metrics(index)
            for index, (compressor, sums) in enumerate(zip(compressors, quality, strict=True))
        },
    }


def _psnr(squared_error: float, pixels: float) -> float:
    return 10.0 * math.log10(255.0**2 / max(squared_error / pixels, 1e-9)) if pixels else math.nan


def _images(frame_set: FrameSet) -> dict[int, np.ndarray]:
    """Valid cameras' luma at 640x480, as float."""
    return {
        camera: area_mean(frame.y_plane, _HEIGHT, _WIDTH).astype(np.float32)
        for camera, frame in enumerate(frame_set.frames)
        if frame is not None and frame_set.is_valid[camera]
    }


def given_luma(tick: CompressedTick, camera: int, rectangles: Sequence[tuple[int, Rectangle]] = ()) -> np.ndarray:
    """(480, 640) uint8 luma of a camera as the network receives it at this tick; smooth where there is no patch.

    `rectangles`: what the patches cover, if they can be larger than one block.
    """
    canvas = np.asarray(_enlarged(unpacked_luma(tick.base_image(camera)), _WIDTH, _HEIGHT)).copy()
    own = np.flatnonzero(tick.patch_camera == camera).tolist()
    for index, (column, row, side) in zip(own, tick.patch_boxes(camera).tolist(), strict=True):
        edges = rectangles[index][1] if rectangles else (row, row + side, column, column + side)
        top, bottom, left, right = (round(edge * PATCH_PX) for edge in edges)
        patch = unpacked_luma(tick.patches[index])
        canvas[top:bottom, left:right] = _enlarged(patch, right - left, bottom - top)
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
    """Measure the clips that exist; each leaves a file in `out` and is not measured again."""
    out.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, Any]] = {}
    for name, where in CLIPS.items():
        result = out / f"{name.replace(' ', '_')}-{max_ticks}-{'_'.join(map(str, rates))}-v2.json"
        if not result.exists() and (folder / where).exists():
            write_text(result, json.dumps(measure_clip(folder / where, rates, max_ticks), indent=1) + "\n")
        if result.exists():
            found[name] = json.loads(result.read_text(encoding="utf-8"))
    return found
