"""`fsd replay` of a data set: the plans of a network at every recorded tick, from shards in place of videos."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fsd.data.frames import CAMERAS
from fsd.data.result_folder import ResultFolder, result_folder
from fsd.evaluate.config import REPLAY_FILES, REPLAY_PAGE, DatasetReplayConfig
from fsd.evaluate.dataset_run import NetworkRun
from fsd.evaluate.labels import Driven
from fsd.evaluate.page import write_card_page
from fsd.evaluate.runner import Rolled
from fsd.networks.drives.clip_record import CLIPS_FOLDER
from fsd.networks.drives.recorded_dataset import INDEX_FILE, Stretch
from fsd.outputs.evaluate_summary import DatasetReplaySummary
from fsd.outputs.journal import TableJournal
from fsd.outputs.run_info import Status
from fsd.outputs.run_status import run_reported
from fsd.outputs.tables import plan_row, plan_schema
from fsd.runtime.hash_chain import HashChain

_OF_ROW = (
    pa.field("clip", pa.string()),
    pa.field("drive", pa.string()),
    pa.field("part", pa.string()),
    pa.field("is_scored", pa.bool_()),
)
"""First columns of both tables."""


def replay_dataset(config: DatasetReplayConfig) -> DatasetReplaySummary:
    """Run the network over all parts of a data set, and write tables, report and summary to `config.out`.

    Raises:
        ModelError, ClipError: the network or the data set cannot be used, or they do not match.
        OutputError: the folder cannot be written.
    """
    model = config.model if isinstance(config.model, Path) else None
    run = NetworkRun.open(config, model, config.dataset, None)

    def summary(status: Status, error: BaseException | None) -> DatasetReplaySummary:
        return DatasetReplaySummary(status=status, error=None if error is None else str(error), **run.facts())

    def write_page(written: DatasetReplaySummary) -> None:
        if config.report:
            write_card_page(config.out / REPLAY_PAGE, written)

    names = tuple(name for name in REPLAY_FILES if config.report or name != REPLAY_PAGE)
    inputs = [run.engine.model, config.dataset / INDEX_FILE, config.dataset / CLIPS_FOLDER]
    with result_folder(config.out, "replay", REPLAY_FILES, inputs) as folder:
        folder.set_aside(names)
        return run_reported(folder, lambda: _write_tables(config.out, run, folder), summary, write_page)


def _write_tables(out: Path, run: NetworkRun, folder: ResultFolder) -> None:
    metadata = run.engine.metadata
    plans = plan_schema(metadata.trained, len(metadata.hypotheses_mps2))
    schemas = {
        "plan.parquet": pa.schema([*_OF_ROW, *plans], metadata=plans.metadata),
        "ticks.parquet": ticks_schema().with_metadata(plans.metadata),
    }
    plan_chain = HashChain()
    with (
        closing(TableJournal(out / "plan.parquet", schemas["plan.parquet"])) as plan_table,
        closing(TableJournal(out / "ticks.parquet", schemas["ticks.parquet"])) as tick_table,
    ):
        try:
            run.run(_taker(plan_table.append, tick_table.append, plan_chain, len(metadata.hypotheses_mps2)))
        finally:
            folder.free_rows()
            plan_table.flush()
            tick_table.flush()


def ticks_schema() -> pa.Schema:
    """Columns of `ticks.parquet` of a data set."""
    return pa.schema(
        [
            *_OF_ROW,
            ("tick", pa.int32()),
            ("t_ns", pa.int64()),
            ("run", pa.int16()),
            ("is_valid", pa.list_(pa.uint8(), len(CAMERAS))),
            ("memory_slots", pa.int16()),
            ("commits", pa.int8()),
            ("infer_ms", pa.float32()),
        ]
    )


def _taker(
    add_plan: Callable[[dict[str, Any]], None],
    add_tick: Callable[[dict[str, Any]], None],
    plan_chain: HashChain,
    hypotheses: int,
) -> Callable[[Rolled, Driven], None]:
    def take(rolled: Rolled, labels: Driven) -> None:
        stretch: Stretch = rolled.job.stretch
        for each, is_scored in zip(rolled.ticks, labels.is_used.tolist(), strict=True):
            of_row = {"clip": stretch.clip, "drive": stretch.drive, "part": stretch.part, "is_scored": is_scored}
            plan_chain.add_plan(each.plan)
            add_plan({**of_row, **plan_row(each.plan, plan_chain.digest, hypotheses)})
            add_tick(
                {
                    **of_row,
                    "tick": each.plan.tick,
                    "t_ns": each.plan.timestamp_ns,
                    "run": stretch.run,
                    "is_valid": np.asarray(each.camera_valid),
                    "memory_slots": each.memory_slots,
                    "commits": each.commits,
                    "infer_ms": each.infer_ms,
                }
            )

    return take
