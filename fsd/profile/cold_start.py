"""Cold start: the time from the start of a new process to its first plan, measured in a child process."""

import json
import subprocess
import sys
import time
from pathlib import Path

from fsd.data.errors import ClipError
from fsd.outputs.profile_summary import ColdStart
from fsd.profile.config import ProfileConfig
from fsd.runtime.options import model_paths

TIMEOUT_S = 120.0
CHILD = """from fsd.data.worker_process import end_with_parent
end_with_parent()
from fsd.profile.cold_start import report_first_plan
report_first_plan()"""


def measure_cold_start(clip: Path, config: ProfileConfig) -> ColdStart:
    """Plan one tick of `clip` in a new process, with the cameras, model, device and threads of `config`.

    The import of modules includes the start of Python, the load opens the recording and the model, and the first tick
    decodes, compiles or loads kernels, and plans. The file cache is not cleared.

    Raises:
        ClipError: the child failed; includes its message.
    """
    names = ("cameras", "rate_hz", "align_start", "hwaccel", "adapter", "device", "threads", "decode_workers")
    settings = {name: getattr(config, name) for name in names}
    settings["models"] = list(model_paths(config.model))
    arguments = json.dumps({"clip": clip, **settings}, default=str)
    # -P: a folder `compression` in the current folder would hide the standard library's module of that name.
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
    """In the child: plan one tick and print the time of each step, on the monotonic clock that both processes share."""
    from fsd.data.open_clip import open_clip
    from fsd.data.recording_options import CameraOptions
    from fsd.profile.scenarios.runs import first_plan_ms
    from fsd.profile.scenarios.timed_pipeline import TimedPipeline
    from fsd.third_party.open_planner import open_planner

    imported_ns = time.monotonic_ns()
    given = json.loads(sys.argv[1])
    cameras = given["cameras"] and {name: Path(path) for name, path in given["cameras"].items()}
    names = ("rate_hz", "align_start", "hwaccel")
    options = CameraOptions(cameras=cameras, **{name: given[name] for name in names})
    clip = open_clip(Path(given["clip"]), options)
    adapter = given["adapter"] and Path(given["adapter"])
    planner = open_planner(clip.rig, [*map(Path, given["models"])], adapter, given["threads"], given["device"])
    loaded_ns = time.monotonic_ns()
    with TimedPipeline(clip, planner) as pipeline:
        first_plan_ms(pipeline, given["decode_workers"])
        planned_ns = time.monotonic_ns()
    print(json.dumps({"imported": imported_ns, "loaded": loaded_ns, "planned": planned_ns}))
