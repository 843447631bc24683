"""Settings of `fsd profile`."""

import re
from dataclasses import dataclass
from pathlib import Path

from fsd.data.frames import TICK_MS, TICK_NS
from fsd.data.options import Options, option, results_folder
from fsd.data.recording_options import CameraOptions
from fsd.profile.energy.devices import devices
from fsd.profile.scenarios.camera_timing import CameraTiming
from fsd.runtime.options import ModelOptions

PACED = "constant-stream"
SCENARIOS = (PACED, "single-stream", "flat-out")
_UNITS_S = {"s": 1, "m": 60, "h": 3600}


def seconds_of(text: str) -> float:
    """Parse `90s`, `30m`, `1.5h` or plain seconds.

    Raises:
        ValueError: the text has another form.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not match:
        raise ValueError(f"A duration has the form 90s, 30m or 1h, got {text!r}.")
    return float(match[1]) * _UNITS_S[match[2] or "s"]


@dataclass(frozen=True, kw_only=True)
class GateOptions(Options):
    """Limits that a profile checks; a limit of None is not checked."""

    heading = "limits (exit code 7 unless they are shown to hold)"

    deadline_ms: float | None = option(
        None,
        "deadline that the tail latency has to meet: p99.9, or p99 if there are few samples",
        unit="ms",
        above=0,
        default_text="none",
    )
    budget_watts: float | None = option(
        None, "power budget that the mean power has to meet", metavar="WATTS", above=0, default_text="none"
    )
    power_device: str = option(
        "tesla_fsd_hw3",
        "device whose modelled power is checked if this machine has no power meter",
        choices=tuple(devices()),
        metavar="NAME",
    )


@dataclass(frozen=True, kw_only=True)
class ProfileConfig(GateOptions, CameraTiming, ModelOptions, CameraOptions):
    """Settings of a profile run."""

    clip: Path | None = option(
        None,
        "recording to run: a clip folder, a folder of videos, or one video file",
        flag="",
        metavar="CLIP",
        default_text="the packaged clip",
    )
    out: Path = results_folder("out/profile")
    scenarios: tuple[str, ...] = option(
        SCENARIOS,
        "how ticks are fed: paced at 36 Hz, each after the previous one is done, or as fast as decoding allows",
        choices=SCENARIOS,
        flag="--scenario",
        default_text="all",
    )
    ticks: int = option(720, "ticks measured per scenario; p99 needs 662, p99.9 needs 6636", at_least=1)
    warm_up: int = option(72, "ticks that run before the measurement begins", at_least=0)
    soak_s: float | None = option(
        None,
        "run only the constant stream and for this long, for example 90s, 30m or 1h",
        above=0,
        flag="--soak",
        metavar="TIME",
        default_text="off",
        parse=seconds_of,
    )
    control_s: float = option(
        2.0,
        "how long the machine's own stalls are measured, before and after the constant stream",
        unit="s",
        at_least=0,
    )
    trace_ticks: int = option(36, "ticks in the timeline trace.json", at_least=1)

    @property
    def limit_ms(self) -> float:
        """The deadline for counting misses: the given one, or one tick."""
        return TICK_MS if self.deadline_ms is None else self.deadline_ms

    @property
    def paced_ticks(self) -> int:
        """Ticks of the constant stream to sample."""
        return self.ticks if self.soak_s is None else max(1, round(self.soak_s * 1e9 / TICK_NS))
