"""Settings of `fsd profile`, checked at the door."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fsd.data.frames import TICK_MS, TICK_NS
from fsd.networks.onnx_session import PROVIDERS
from fsd.profile.camera_feed import CameraTiming
from fsd.profile.energy.devices import device as power_device

SCENARIOS = ("constant-stream", "single-stream", "flat-out")
_UNITS_S = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class ProfileConfig:
    """Settings of `fsd profile`.

    Attributes:
        clip: recording to run on; None is the packaged one. cameras: camera name -> video, as for replay.
        out: folder for the results.
        model, adapter, device, threads, decode_workers: as for replay.
        scenarios: which to run.
        ticks: samples per scenario; 720 are 20 s and support p99, p99.9 needs 6636. warm_up: ticks before them.
        soak_s: run the constant stream for this long instead of `ticks`.
        skew, jitter_ms, seed: when the cameras capture, see `CameraTiming`.
        deadline_ms: fail unless met; None counts misses of one tick and does not fail.
        budget_watts: fail unless met; None does not fail.
        power_device: for which the modelled figures gate, where no meter is found; a name of devices.json.
        control_s: how long to watch the machine's own stalls, before and after the constant stream.
        trace_ticks: in `trace.json`.
    """

    clip: Path | None = None
    out: Path = Path("profile")
    cameras: Mapping[str, Path] | None = None
    model: Path | None = None
    adapter: Path | None = None
    device: str = "cpu"
    threads: int = 1
    decode_workers: int = 2
    scenarios: tuple[str, ...] = SCENARIOS
    ticks: int = 720
    warm_up: int = 72
    soak_s: float | None = None
    skew: float = CameraTiming.skew
    jitter_ms: float = CameraTiming.jitter_ms
    seed: int = CameraTiming.seed
    deadline_ms: float | None = None
    budget_watts: float | None = None
    power_device: str = "tesla_fsd_hw3"
    control_s: float = 2.0
    trace_ticks: int = 36

    def __post_init__(self) -> None:
        for name in ("threads", "decode_workers", "ticks", "trace_ticks"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.warm_up < 0 or self.control_s < 0:
            raise ValueError(f"warm_up and control_s must not be negative, got {self.warm_up} and {self.control_s}.")
        for name in ("soak_s", "deadline_ms", "budget_watts"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be positive, got {value}.")
        unknown = [name for name in self.scenarios if name not in SCENARIOS]
        if unknown or not self.scenarios:
            raise ValueError(f"scenarios must be some of {', '.join(SCENARIOS)}; got {', '.join(unknown) or 'none'}.")
        if self.adapter is not None and self.model is None:
            raise ValueError("adapter needs the model that it is for: give `--model` as well.")
        if self.device not in PROVIDERS:
            raise ValueError(
                f"device must be one of {', '.join(PROVIDERS)}; got {self.device!r}. The device whose watts are "
                "modelled is `--power-device`."
            )
        power_device(self.power_device)
        self.timing()

    def timing(self) -> CameraTiming:
        """When the cameras capture."""
        return CameraTiming(self.skew, self.jitter_ms, self.seed)

    @property
    def limit_ms(self) -> float:
        """The deadline that misses are counted against: the given one, or one tick."""
        return TICK_MS if self.deadline_ms is None else self.deadline_ms

    @property
    def paced_ticks(self) -> int:
        """How many ticks of constant stream to sample."""
        return self.ticks if self.soak_s is None else max(1, round(self.soak_s * 1e9 / TICK_NS))


def seconds_of(text: str) -> float:
    """`90s`, `30m`, `1.5h` or plain seconds, as seconds.

    Raises:
        ValueError: it is none of these.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not match:
        raise ValueError(f"A duration reads 90s, 30m or 1h, got {text!r}.")
    return float(match[1]) * _UNITS_S[match[2] or "s"]
