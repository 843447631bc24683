"""`fsd adapter check`: run a model on one recording, and show what it sees, what it plans, and what is suspicious."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from fsd.adapting.check_page import write_check_page
from fsd.adapting.check_record import CheckRecord
from fsd.adapting.config import PAGE_FILE, RESULT_FILES, SHEET_FILE, AdapterCheckConfig
from fsd.adapting.seen_images import SeenImage, contact_sheet, seen_images
from fsd.adapting.suspicions import speed_ratio, suspicions, yaw_rate_correlation
from fsd.data.clip import Clip
from fsd.data.ego import COMMANDS, EgoSample
from fsd.data.errors import ClipError
from fsd.data.files import write_bytes
from fsd.data.frames import CAMERAS, TICK_MS, Frame, FrameSet
from fsd.data.open_clip import open_clip
from fsd.data.result_folder import result_folder
from fsd.outputs.adapter_summary import AdapterCheckSummary
from fsd.outputs.progress import progress_bar
from fsd.outputs.run_info import ModelInfo, clip_info
from fsd.outputs.summary_file import write_summary
from fsd.overlay.painter import OverlayPainter
from fsd.runtime.planner import StepResult
from fsd.third_party.adapter_planner import AdapterPlanner

PROBE_STEPS = 3
"""Steps of the model that are run again with other pictures, to see whether these change its outputs."""


@dataclass(frozen=True)
class _Tick:
    """What enters a planner at one tick."""

    frame_set: FrameSet
    ego: EgoSample | None
    command: str


@dataclass
class _Pictures:
    """Of the tick that the page shows: input and picture in it, all of them on a sheet, the cameras with the plan."""

    tick: int
    seen: list[tuple[str, SeenImage]]
    sheet: Image.Image
    overlay: Image.Image


def check_adapter(config: AdapterCheckConfig, show_progress: bool = True) -> AdapterCheckSummary:
    """Check an adapter on one recording, and write `RESULT_FILES` to `config.out`.

    Raises:
        ModelError: the adapter does not fit the model, or a file is missing or damaged.
        ClipError: the recording cannot be read, or has no tick.
        OutputError: the folder cannot be written.
    """
    clip = open_clip(config.clip, config)
    recorded = [camera for camera, stream in zip(CAMERAS, clip.streams, strict=True) if stream is not None]
    models = (config.model, *config.more_models)
    planner = AdapterPlanner(
        models,
        config.adapter,
        config.threads,
        config.device,
        rig=clip.rig,
        recorded=recorded,
        rig_is_assumed=clip.rig_is_assumed,
    )
    inputs = (config.clip, *clip.files, *models, config.adapter)
    with result_folder(config.out, "adapter check", RESULT_FILES, inputs) as folder:
        folder.set_aside()
        record, first, pictures = _run(config, clip, planner, show_progress)
        summary = AdapterCheckSummary(
            clip=clip_info(clip),
            model=ModelInfo(name=planner.metadata.name, integer_kernels=planner.metadata.integer_kernels),
            adapter=str(config.adapter),
            ticks=record.ticks,
            picture_tick=pictures.tick,
            warnings=planner.metadata.warnings,
            suspicious=suspicions(planner.adapter, record, _ignores_pictures(planner, first), recorded),
            tensors=tuple(tensor.summary() for tensor in record.tensors.values()),
            yaw_rate_correlation=yaw_rate_correlation(record),
            speed_ratio=speed_ratio(record),
        )
        content = io.BytesIO()
        pictures.sheet.save(content, "png")
        write_bytes(config.out / SHEET_FILE, content.getvalue())
        write_check_page(config.out / PAGE_FILE, summary, clip, record, pictures.seen, pictures.overlay)
        folder.free_summary()
        write_summary(config.out, summary)
    return summary


def _run(
    config: AdapterCheckConfig, clip: Clip, planner: AdapterPlanner, show_progress: bool
) -> tuple[CheckRecord, list[_Tick], _Pictures]:
    """Run all ticks; also returns the first ones, and the pictures of the tick in the middle."""
    record, first = CheckRecord(planner.adapter), list[_Tick]()
    painter = OverlayPainter(clip, planner.metadata)
    pictures: _Pictures | None = None
    result = tick = None
    with config.frame_source(clip) as source:
        expected = source.expected_ticks
        with progress_bar(expected, "tick", "check", show_progress) as bar:
            for count, frame_set in enumerate(source):
                ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
                command = clip.commands.command_at(frame_set.timestamp_ns) if clip.commands else COMMANDS[0]
                tick = _Tick(frame_set, ego, command)
                result = planner.step(frame_set, ego, command)
                record.add(planner.inputs, planner.outputs, result, ego)
                if count < _ticks_of(PROBE_STEPS, planner):
                    # Between two steps the model sees nothing: pictures are kept of its steps only.
                    is_step = not first or result.plan_age_ticks == 0
                    kept = frame_set if is_step else first[-1].frame_set.held(frame_set.tick, frame_set.timestamp_ns)
                    first.append(_Tick(kept, ego, command))
                if expected is not None and count == expected // 2:
                    pictures = _pictures(planner, painter, result, tick)
                bar.update()
    if result is None or tick is None:
        raise ClipError(f"{config.clip} has no tick to run. Check it with `fsd inspect`.")
    return record, first, pictures or _pictures(planner, painter, result, tick)


def _ticks_of(steps: int, planner: AdapterPlanner) -> int:
    """Ticks in which the model makes so many steps."""
    return math.ceil(steps * _step_ms(planner) / TICK_MS)


def _step_ms(planner: AdapterPlanner) -> float:
    rate_hz = planner.adapter.rate_hz
    return TICK_MS if rate_hz is None else max(TICK_MS, 1000 / rate_hz)


def _pictures(planner: AdapterPlanner, painter: OverlayPainter, result: StepResult, tick: _Tick) -> _Pictures:
    inputs, frame_set = planner.inputs, tick.frame_set
    age_ms = dict(zip(CAMERAS, np.where(frame_set.is_valid, frame_set.age_ns / 1e6, np.nan), strict=True))
    images = [
        (image, _described(inputs[image.name]), seen_images(image, inputs[image.name], age_ms, _step_ms(planner)))
        for image in planner.adapter.images
    ]
    seen = [(image.name, each) for image, _, pictures in images for each in pictures]
    return _Pictures(frame_set.tick, seen, contact_sheet(images), painter.paint(result, tick.ego, tick.command))


def _described(tensor: np.ndarray) -> str:
    return f"{' x '.join(map(str, tensor.shape))} {tensor.dtype}"


def _ignores_pictures(planner: AdapterPlanner, ticks: Sequence[_Tick]) -> bool:
    """Whether the outputs stay the same when the pictures of the first ticks are replaced by others."""
    with_pictures, with_stripes = (
        _last_outputs(planner, [replace(tick, frame_set=change(tick.frame_set)) for tick in ticks])
        for change in (lambda frame_set: frame_set, _with_stripes)
    )
    return all(np.array_equal(with_pictures[name], with_stripes[name], equal_nan=True) for name in with_pictures)


def _last_outputs(planner: AdapterPlanner, ticks: Sequence[_Tick]) -> dict[str, np.ndarray]:
    planner.reset()
    for tick in ticks:
        planner.step(tick.frame_set, tick.ego, tick.command)
    return {name: values.copy() for name, values in planner.outputs.items()}


def _with_stripes(frame_set: FrameSet) -> FrameSet:
    """The same ticks with pictures of stripes, other ones in each camera and of the same size."""
    frames = [
        None if frame is None else _striped(frame, number) for number, frame in enumerate(frame_set.frames, start=2)
    ]
    return replace(frame_set, frames=tuple(frames))


def _striped(frame: Frame, width_px: int) -> Frame:
    """A frame with diagonal stripes, 8 times `width_px` wide."""
    planes = []
    for plane, low, high in ((frame.y_plane, 40, 210), (frame.u_plane, 90, 160), (frame.v_plane, 160, 90)):
        rows, columns = np.indices(plane.shape)
        planes.append(np.where((rows + columns) // (8 * width_px) % 2 == 0, low, high).astype(np.uint8))
    return replace(frame, y_plane=planes[0], u_plane=planes[1], v_plane=planes[2], picture=None, sample=None)
