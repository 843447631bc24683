"""Columns of the tables of a whole run, with unit and meaning: `clips`, `ticks`, `plans`, `worst_ticks`.

Every file of a table has all of its columns, whatever the model; what a run does not have is null.
"""

import json

import pyarrow as pa

from fsd.compare.config import SCORE_UNITS
from fsd.data.frames import RATE_HZ
from fsd.outputs.tables import STAGES, TRAJECTORY_COLUMNS
from fsd.scoring.tick_errors import ERROR_UNITS

SCHEMA_VERSION = "1"
RUN_COLUMN = "run"
"""Made of the name of the folder: `run=NAME`."""

PLANNERS = ("network", "constant_velocity", "hold_last")
_FLOATS = pa.list_(pa.float32())
_TRAJECTORY_UNITS = dict(zip(TRAJECTORY_COLUMNS, ("m", "m", "rad", "m/s"), strict=True))
Column = tuple[str, pa.DataType, str, str]
"""Name, type, unit (empty without one) and meaning."""

KEY: Column = ("key", pa.string(), "", "names the recording in this run; the same in all tables")
_TICK: tuple[Column, ...] = (
    KEY,
    ("tick", pa.int32(), "", "number of the tick, 36 per second"),
    ("t_ns", pa.int64(), "ns", "time of the tick on the recording's clock"),
)

CLIPS: tuple[Column, ...] = (
    KEY,
    ("clip", pa.string(), "", "the recording, as a path or URL"),
    ("clip_digest", pa.string(), "", "of its files; equal in two runs for the same recording"),
    ("model_digest", pa.string(), "", "of the content of the model"),
    ("options_digest", pa.string(), "", "of all settings"),
    ("folder", pa.string(), "", "of its own results, relative to the folder of all results"),
    ("fsd_version", pa.string(), "", "that made the results"),
    ("started_unix_s", pa.float64(), "s", "start of the replay"),
    ("format", pa.string(), "", "of the recording"),
    ("cameras", pa.list_(pa.string()), "", "that have a video"),
    ("rig", pa.string(), "", "name of the calibration, or `assumed`"),
    ("model", pa.string(), "", "name of the network"),
    ("precision", pa.string(), "", "of the network"),
    ("trained", pa.bool_(), "", "false: the plans mean nothing"),
    ("budget", pa.string(), "", "of the compressor; null without one"),
    ("ticks", pa.int32(), "", "planned"),
    ("drive_s", pa.float64(), "s", "length that was replayed"),
    ("wall_s", pa.float64(), "s", "elapsed time of the last attempt"),
    ("cpu_s", pa.float64(), "s", "CPU time of the last attempt"),
    ("attempts", pa.int32(), "", "1 where the first was good"),
    ("plan_p50_ms", pa.float64(), "ms", "median of compress + infer + post"),
    ("plan_p99_ms", pa.float64(), "ms", "99th percentile of the same"),
    ("deadline_misses", pa.int32(), "", "ticks whose plan took longer than one tick"),
    (
        "faults",
        pa.list_(pa.struct([("kind", pa.string()), ("cameras", pa.string()), ("ticks", pa.int64())])),
        "",
        "what plans were made without, and at how many ticks",
    ),
    ("disengagements", pa.int32(), "", "changes from an assisted mode to manual; null where nobody recorded it"),
    ("alarm_ticks", pa.int32(), "", "at which a second network differed; null without one"),
    ("joules_per_tick", pa.float64(), "J", "measured; null without a meter"),
    *(
        (f"{planner}_{name}", pa.float64(), unit, f"score of {planner.replace('_', ' ')}")
        for planner in PLANNERS
        for name, unit in SCORE_UNITS.items()
    ),
    ("input_hash", pa.string(), "", "of the last tick"),
    ("plan_hash", pa.string(), "", "of the last tick"),
)

TICKS: tuple[Column, ...] = (
    *_TICK,
    ("time_s", pa.float32(), "s", "since the first tick"),
    ("stretch", pa.int16(), "", "part of the recording between holes, from 0"),
    ("cameras", pa.int8(), "", "cameras that the network could use"),
    ("max_age_ms", pa.float32(), "ms", "of the oldest image that was used"),
    ("driving_mode", pa.string(), "", "who drove; null where nobody recorded it"),
    ("health", pa.string(), "", "`ok`, or what was wrong (docs/outputs.md)"),
    *((f"{stage}_ms", pa.float32(), "ms", f"time of the stage {stage}") for stage in STAGES),
    ("plan_ms", pa.float32(), "ms", "compress + infer + post"),
    ("deadline_missed", pa.bool_(), "", f"plan_ms is over {1000 / float(RATE_HZ):.2f}"),
    ("uncertainty_m", pa.float32(), "m", "mean Laplace scale of the planned positions until 3 s"),
    *(
        (name, pa.float32(), unit, "driven" if name == "speed_mps" else "error of the plan (docs/outputs.md)")
        for name, unit in ERROR_UNITS.items()
    ),
    ("keyframes", pa.int8(), "", "cameras committed to memory; null without a compressor"),
    ("memory_slots", pa.int16(), "", "filled slots of the memory; null without a compressor"),
    ("cross_check_waypoints_m", pa.float32(), "m", "difference of a second network; null without one"),
    ("input_hash", pa.string(), "", "of all inputs until this tick"),
)

PLANS: tuple[Column, ...] = (
    *_TICK,
    *((name, _FLOATS, unit, "planned at 0.25, 0.50 … 4.00 s") for name, unit in _TRAJECTORY_UNITS.items()),
    *((f"{name}_scale", _FLOATS, unit, "Laplace scale of the same") for name, unit in _TRAJECTORY_UNITS.items()),
    ("curvature_per_m", pa.float32(), "1/m", "to steer now, left positive"),
    ("curvature_scale_per_m", pa.float32(), "1/m", "its Laplace scale"),
    ("acceleration_mps2", pa.float32(), "m/s²", "to apply now"),
    ("acceleration_scale_mps2", pa.float32(), "m/s²", "its Laplace scale"),
    ("lead_distance_m", pa.float32(), "m", "vehicle ahead"),
    ("lead_probability", pa.float32(), "", "that there is one"),
    ("light_probabilities", _FLOATS, "", "none, green, yellow, red"),
    ("hypothesis", _FLOATS, "", "probability of each way to go on; null without hypotheses"),
    ("plan_hash", pa.string(), "", "of all plans until this tick"),
)

WORST_TICKS: tuple[Column, ...] = (
    KEY,
    ("number", pa.int8(), "", "of the picture in report.html"),
    ("tick", pa.int32(), "", "number of the tick"),
    ("time_s", pa.float32(), "s", "since tick 0"),
    ("measure", pa.string(), "", "what error_m is: `error` against the driven path, or `uncertainty`"),
    ("error_m", pa.float32(), "m", "mean over the plan until 3 s"),
    ("image", pa.binary(), "", "small JPEG of the overlay"),
)

TABLES: dict[str, tuple[Column, ...]] = {"plans": PLANS, "ticks": TICKS, "worst_ticks": WORST_TICKS, "clips": CLIPS}
"""In the order in which a recording is added: its row in `clips` is the last."""


def table_schema(name: str) -> pa.Schema:
    """The schema of a table; its metadata `units` is a JSON object, column -> unit."""
    columns = TABLES[name]
    units = json.dumps({column: unit for column, _, unit, _ in columns if unit}, ensure_ascii=False)
    metadata = {"fsd_table": name, "schema_version": SCHEMA_VERSION, "units": units}
    return pa.schema([(column, kind) for column, kind, _, _ in columns], metadata=metadata)
