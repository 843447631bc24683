"""Tables that a replay can only write at its end: `errors.parquet` and `worst_ticks.parquet`.

They hold what else would need the recording again: the driven path, and images.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from fsd.data.ego import EgoTrack
from fsd.data.files import replacing
from fsd.outputs.run_folder import load_run
from fsd.replay.config import ERRORS_FILE, WORST_TICKS_FILE
from fsd.replay.worst_ticks import WorstTick
from fsd.scoring.baseline_plans import Plans
from fsd.scoring.tick_errors import ERROR_UNITS, tick_errors

THUMBNAIL_WIDTH_PX, JPEG_QUALITY = 400, 78

ERRORS_SCHEMA = pa.schema([("tick", pa.int32()), ("t_ns", pa.int64()), *((name, pa.float32()) for name in ERROR_UNITS)])
WORST_TICKS_SCHEMA = pa.schema(
    [
        ("number", pa.int8()),
        ("tick", pa.int32()),
        ("time_s", pa.float32()),
        ("measure", pa.string()),
        ("error_m", pa.float32()),
        ("image", pa.binary()),
    ]
)


def write_errors(folder: Path, ego: EgoTrack) -> None:
    """Write the errors of every tick of the replay in `folder`, complete or not; null where nothing was recorded."""
    run = load_run(folder)
    if not len(run.tick):
        return
    controls = (run.plan[name].to_numpy() for name in ("curvature_per_m", "acceleration_mps2"))
    errors = tick_errors(ego, run.timestamp_ns, Plans(run.trajectory, *controls))
    columns = {"tick": pa.array(run.tick, pa.int32()), "t_ns": pa.array(run.timestamp_ns)}
    for name, values in errors.items():
        columns[name] = pa.array(values.astype(np.float32), from_pandas=True)
    _write(folder / ERRORS_FILE, pa.table(columns, schema=ERRORS_SCHEMA))


def write_worst_ticks(folder: Path, worst: Sequence[WorstTick], measure: str) -> None:
    """Write the worst ticks with small images; `number` is that of the picture in `report.html`."""
    rows = [
        {
            "number": number,
            "tick": each.tick,
            "time_s": each.time_s,
            "measure": measure,
            "error_m": each.error,
            "image": _thumbnail(each.image),
        }
        for number, each in enumerate(worst, 1)
    ]
    _write(folder / WORST_TICKS_FILE, pa.Table.from_pylist(rows, WORST_TICKS_SCHEMA))


def _write(path: Path, table: pa.Table) -> None:
    with replacing(path) as unfinished:
        pq.write_table(table, unfinished, compression="zstd")


def _thumbnail(jpeg: bytes) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(jpeg)) as image:
        image.thumbnail((THUMBNAIL_WIDTH_PX, THUMBNAIL_WIDTH_PX))
        image.save(buffer, "jpeg", quality=JPEG_QUALITY, optimize=True)
    return buffer.getvalue()
