"""Run the compressor without a model over a recording and show what it keeps: `fsd compress`.

Ctrl-C, a full disk or a broken file end the run early. What was compressed until then stays readable, and
`summary.json` states how the run ended.
"""

import io
import time
from contextlib import ExitStack, closing

import msgspec
import numpy as np

from fsd.compress.compress_record import CompressRecord
from fsd.compress.compression_log import log_row, log_schema
from fsd.compress.config import LOG_FILE, MOSAIC_FILE, PLAIN_MOSAIC_FILE, RESULT_FILES, CompressConfig, parse_budget
from fsd.compress.mosaic import WIDTH_PX, mosaic
from fsd.compress.page import write_compress_page
from fsd.compression.budget import ALL_BLOCKS
from fsd.compression.compressor import Compressor
from fsd.compression.policies import make_policy, make_selection, policy_budget
from fsd.compression.ratios import recording_r_px
from fsd.compression.tick import CompressedTick
from fsd.data.clip import Clip
from fsd.data.files import write_bytes
from fsd.data.frames import RATE_HZ, FrameSet
from fsd.data.open_clip import open_clip
from fsd.data.result_folder import ResultFolder, result_folder
from fsd.outputs.compress_summary import CompressSummary, MosaicTick
from fsd.outputs.disk_space import compress_bytes, warn_if_short
from fsd.outputs.journal import TableJournal
from fsd.outputs.progress import progress_bar
from fsd.outputs.run_status import run_reported


def compress(config: CompressConfig, show_progress: bool = True) -> CompressSummary:
    """Compress every tick of a recording and write what was kept to `config.out`.

    Returns:
        The content of `summary.json`.

    Raises:
        ClipError: nothing could be compressed.
        FsdError: the run failed; what was compressed until then is in `config.out`.
        KeyboardInterrupt: likewise, on Ctrl-C.
    """
    clip = open_clip(config.clip, config)
    budget = policy_budget(config.policy, parse_budget(config.budget))
    policy = make_policy(config.policy, clip.rig, budget)
    compressor = Compressor(clip.rig, budget, policy)
    record = CompressRecord(clip, budget, config.policy, policy.uses_sweep)

    def write_page(summary: CompressSummary) -> None:
        write_compress_page(config.out / "compress.html", config.out, summary, clip, record.thumbnails)

    with result_folder(config.out, "compress", RESULT_FILES, (config.clip, *clip.files)) as folder:
        folder.set_aside()
        return run_reported(
            folder, lambda: _run(config, folder, clip, compressor, record, show_progress), record.summary, write_page
        )


def _run(
    config: CompressConfig,
    folder: ResultFolder,
    clip: Clip,
    compressor: Compressor,
    record: CompressRecord,
    show_progress: bool,
) -> None:
    budget = compressor.budget
    camera_count = sum(stream is not None for stream in clip.streams)
    selection = make_selection(config.policy, camera_count, budget)
    last_read = np.full(ALL_BLOCKS, -1, np.int64)
    with ExitStack() as stack:
        table = stack.enter_context(closing(TableJournal(config.out / LOG_FILE, log_schema(budget, config.policy))))
        source = stack.enter_context(config.frame_source(clip))
        stack.callback(lambda: record.finish(source.report))
        if source.expected_ticks is not None:
            warn_if_short(config.out, compress_bytes(source.expected_ticks))
        mosaic_count = _mosaic_count(config.mosaic_s, source.expected_ticks)
        progress = stack.enter_context(progress_bar(source.expected_ticks, "tick", "compress", show_progress))
        stack.callback(table.flush)
        stack.callback(folder.free_rows)
        frame_set = compressed = None
        for count, given in enumerate(source):
            frame_set = given if selection is None else selection.select(given)
            ego = clip.ego.sample_at(given.timestamp_ns) if clip.ego and config.use_ego else None
            start_ns = time.perf_counter_ns()
            compressed = compressor.step(frame_set, ego, None)
            compress_ms = (time.perf_counter_ns() - start_ns) / 1e6
            telemetry = compressor.telemetry()
            gap_ticks = np.where(last_read < 0, -1, count - last_read)
            read = compressor.gaze.picked[: compressor.gaze.count]
            last_read[read] = count
            table.append(log_row(given, compressed, telemetry, gap_ticks, budget.input_bytes))
            record.add(given, compressed, telemetry, read, compress_ms)
            if count == mosaic_count:
                record.mosaic = _write_mosaic(config, clip, compressor, frame_set, compressed)
            progress.update()
        if frame_set is not None and compressed is not None and record.mosaic is None:
            shown = _write_mosaic(config, clip, compressor, frame_set, compressed)
            asked = config.mosaic_s is not None
            why = f"--mosaic-at {config.mosaic_s:g} s lies past the end: the last tick is shown" if asked else None
            record.mosaic = msgspec.structs.replace(shown, why=why)


def _mosaic_count(mosaic_s: float | None, expected_ticks: int | None) -> int | None:
    """Which tick of the run the mosaic shows; None is the last one."""
    if mosaic_s is not None:
        return round(mosaic_s * RATE_HZ)
    return None if expected_ticks is None else expected_ticks // 2


def _write_mosaic(
    config: CompressConfig, clip: Clip, compressor: Compressor, frame_set: FrameSet, compressed: CompressedTick
) -> MosaicTick:
    """Write the mosaics of the tick that the compressor has just compressed."""
    seconds, budget = float(compressed.tick / RATE_HZ), compressor.budget
    own = recording_r_px(budget, clip.sizes_px)
    facts = (
        f"tick {compressed.tick}, {seconds:.2f} s · {budget.name} · {config.policy.replace('_', ' ')} gaze · "
        f"pixels {own:.1f}:1 (reference rig {budget.r_px:.1f}:1) · "
        f"left: the camera, {WIDTH_PX} px wide, right: what the network gets"
    )
    ages = compressor.telemetry().block_age_ticks
    for name, shown_ages in ((MOSAIC_FILE, ages), (PLAIN_MOSAIC_FILE, None)):
        content = io.BytesIO()
        picture = mosaic(frame_set, compressed, shown_ages, clip.name, facts)
        picture.save(content, "png", compress_level=3)  # a third of the time of the usual 6, for 7% more bytes
        write_bytes(config.out / name, content.getvalue())
    return MosaicTick(tick=compressed.tick, second=round(seconds, 3))
