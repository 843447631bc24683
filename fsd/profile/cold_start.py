"""Cold start: how long a new process takes to its first plan. Runs in a child process."""

import json
import subprocess
import sys
import time
from pathlib import Path

from fsd.data.errors import ClipError
from fsd.outputs.profile_summary import ColdStart
from fsd.profile.config import ProfileConfig

TIMEOUT_S = 120.0
CHILD = "from fsd.profile.cold_start import report_first_plan; report_first_plan()"


def measure_cold_start(clip: Path, config: ProfileConfig) -> ColdStart:
    """Start a process and let it plan one tick of `clip` with the cameras, model, device and threads of `config`.

    Returns:
        Milliseconds: `process` from the start of the process to its first plan, of which `imports` (with the start of
        Python), `load` (open the recording, load the model) and `first_tick` (decode, compile or load kernels, plan).
        The file cache is whatever it was: warm, if anything has run before.

    Raises:
        ClipError: the child failed, with its message.
    """
    arguments = json.dumps(
        {
            "clip": str(clip),
            "cameras": None if config.cameras is None else {name: str(path) for name, path in config.cameras.items()},
            "model": None if config.model is None else str(config.model),
            "adapter": None if config.adapter is None else str(config.adapter),
            "device": config.device,
            "threads": config.threads,
            "workers": config.decode_workers,
        }
    )
    # -P: the current folder stays off the import path, where a folder named `compression` would hide Python's own.
    command = [sys.executable, "-P", "-c", CHILD, arguments]
    start_ns = time.monotonic_ns()
    child = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if child.returncode:
        reason = child.stderr.strip().splitlines()[-1:] or ["no message"]
        raise ClipError(f"A fresh process could not plan one tick of {clip}: {reason[0]}")
    times_ns = json.loads(child.stdout.splitlines()[-1])
    return ColdStart(
        process=(times_ns["planned"] - start_ns) / 1e6,
        imports=(times_ns["imported"] - start_ns) / 1e6,
        load=(times_ns["loaded"] - times_ns["imported"]) / 1e6,
        first_tick=(times_ns["planned"] - times_ns["loaded"]) / 1e6,
    )


def report_first_plan() -> None:
    """In the child: plan one tick and print the time of each step; parent and child share the monotonic clock."""
    from fsd.data.clip import open_clip
    from fsd.profile.scenarios.runs import first_plan_ms
    from fsd.profile.scenarios.timed_pipeline import TimedPipeline
    from fsd.third_party.open_planner import open_planner

    imported_ns = time.monotonic_ns()
    given = json.loads(sys.argv[1])
    cameras = given["cameras"] and {name: Path(path) for name, path in given["cameras"].items()}
    clip = open_clip(Path(given["clip"]), cameras)
    model, adapter = (given[name] and Path(given[name]) for name in ("model", "adapter"))
    planner = open_planner(clip.rig, model, adapter, given["threads"], given["device"])
    loaded_ns = time.monotonic_ns()
    with TimedPipeline(clip, planner) as pipeline:
        first_plan_ms(pipeline, given["workers"])
        planned_ns = time.monotonic_ns()
    print(json.dumps({"imported": imported_ns, "loaded": loaded_ns, "planned": planned_ns}))
