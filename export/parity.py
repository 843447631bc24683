"""The same drive through PyTorch, FP32 ONNX and INT8 ONNX, each with its own memory: how far apart do they end?

Differences are told in decibels and in what a driver would notice: metres, 1/m, m/s². Each runs on its own recurrent
state, so an error that feeds on itself shows as growth. It judges numbers only, not driving.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from fsd.data.errors import ModelError
from fsd.export.calibration import Clip
from fsd.export.onnx_runner import BatchRunner, OnnxRunner, open_model
from fsd.networks.contract import WAYPOINT_STEP_S, output_shapes
from fsd.networks.input_buffers import InputBuffers, TickInput
from fsd.networks.model import DrivingNetwork

HORIZONS_S = (1, 2, 3)

FP32_TOLERANCE_M = 1e-4
"""FP32 ONNX against PyTorch, anywhere on the trajectory: two orders of float rounding over a few recurrent steps."""

INT8_MEAN_TOLERANCE_3S_M = 0.05
"""INT8 against FP32, mean over the drive: well under what steering corrects within the next tick."""

FP16_MEAN_TOLERANCE_3S_M = 0.02
"""FP16 against FP32: eleven bits of a 40 m plan are 2 cm."""

UNOPTIMISED_TICKS = 100
"""How many ticks the sessions without ONNX Runtime's optimiser run: ten times slower, and they only have to agree."""

REFERENCE = "pytorch"
UNOPTIMISED = "_unoptimised"
FP32 = "onnx_fp32"
FP32_BATCH = FP32 + "_batch"
DRIFT_PARTS = 10
"""The drive in so many parts: the mean distance in each shows whether an error grows."""


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """PyTorch on one thread meanwhile: more of them spin while they wait, and beside other work two threads took 150 ms
    of processor time for a tick that takes one thread 14.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Runner(Protocol):
    """Anything that turns steps into outputs and keeps its own memory."""

    def reset(self) -> None: ...

    def step(self, step: TickInput) -> dict[str, np.ndarray]: ...


class TorchRunner:
    """The PyTorch network over a clip, memory included."""

    def __init__(self, network: DrivingNetwork, device: str = "cpu") -> None:
        self.network, self.feeds = network.eval().to(device), InputBuffers(network.config.budget)
        self.device = torch.device(device)
        self._inputs = {name: torch.from_numpy(array) for name, array in self.feeds.arrays.items()}

    def reset(self) -> None:
        self.feeds.reset()

    def step(self, step: TickInput) -> dict[str, np.ndarray]:
        """Outputs of one tick by name; the memory is written afterwards."""
        self.feeds.load(step)
        with torch.inference_mode():
            inputs = {name: value.to(self.device) for name, value in self._inputs.items()}
            outputs = {name: value.cpu().numpy() for name, value in self.network(**inputs).items()}
        self.feeds.commit(step.tick.commit_slots, outputs["new_k"], outputs["new_v"])
        return outputs


@dataclass(frozen=True)
class Comparison:
    """One file against its reference over all ticks.

    Attributes:
        ticks: how many were compared.
        max_abs: output name -> largest difference, in the output's own unit.
        sqnr_db: output name -> signal over difference, decibels, over the whole drive.
        position_mean_m, position_max_m: distance of the waypoints at 1, 2, 3 s.
        anywhere_max_m: largest distance of any waypoint at any tick.
        curvature_mean_per_m, curvature_max_per_m, acceleration_mean_mps2, acceleration_max_mps2: of the control pair.
        growth: mean distance at 3 s in the last quarter of the drive over that in the first; 1 is no growth.
        drift_m: mean distance at 3 s in each tenth of the drive.
        worst_tick: where the largest distance was, counted over all clips.
    """

    reference: str
    ticks: int
    max_abs: dict[str, float]
    sqnr_db: dict[str, float]
    position_mean_m: dict[str, float]
    position_max_m: dict[str, float]
    anywhere_max_m: float
    curvature_mean_per_m: float
    curvature_max_per_m: float
    acceleration_mean_mps2: float
    acceleration_max_mps2: float
    growth: float
    drift_m: tuple[float, ...]
    worst_tick: int


@dataclass(frozen=True)
class ParityReport:
    """`comparisons` by file and optimiser; `failures` are sentences, empty when all tolerances hold.

    `failed` names the comparisons behind them; `notes` say what the proof does not cover.
    """

    ticks: int
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.failures

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"passed": self.passed, **asdict(self)}


def compare(
    network: DrivingNetwork,
    fp32: Path,
    others: Mapping[str, Path],
    clips: Iterable[Clip],
    unoptimised_ticks: int = UNOPTIMISED_TICKS,
    device: str = "cpu",
) -> ParityReport:
    """Run everything side by side over clips: FP32 against PyTorch, the rest against FP32, optimiser on and off.

    Args:
        others: INT8, FP16 and batch files by the name that they have in the report: `onnx_int8`, `onnx_fp16` …
        device: where PyTorch computes.

    Raises:
        ModelError: the clips hold no tick.
    """
    budget = network.config.budget
    runners: dict[str, Runner] = {REFERENCE: TorchRunner(network, device)}
    for name, path in {FP32: fp32, **others}.items():
        kind = BatchRunner if name == FP32_BATCH else OnnxRunner
        runners[name] = kind(open_model(path), budget)
        runners[name + UNOPTIMISED] = kind(open_model(path, optimise=False), budget)
    pairs = {name: REFERENCE if name.startswith(FP32) else FP32 for name in runners if name != REFERENCE}
    tallies = {name: _Tally() for name in pairs}
    ticks = 0
    with one_torch_thread():
        for clip in clips:
            for runner in runners.values():
                runner.reset()
            for step in clip:
                if ticks == unoptimised_ticks:
                    runners = {name: runner for name, runner in runners.items() if not name.endswith(UNOPTIMISED)}
                outputs = {name: runner.step(step) for name, runner in runners.items()}
                for name in outputs.keys() & pairs.keys():
                    tallies[name].add(outputs[name], outputs[pairs[name]])
                ticks += 1
    if ticks == 0:
        raise ModelError("There is nothing to prove parity on: the clips given with `--data` hold no tick.")
    comparisons = {name: tally.finish(pairs[name]) for name, tally in tallies.items() if tally.ticks}
    found = dict(_failures(comparisons))
    return ParityReport(ticks, comparisons, tuple(found.values()), tuple(found))


def _failures(comparisons: dict[str, Comparison]) -> Iterable[tuple[str, str]]:
    """(name of the comparison, sentence) for each that is over its limit; a NaN is."""
    for name, result in comparisons.items():
        if result.reference == REFERENCE:
            if not result.anywhere_max_m <= FP32_TOLERANCE_M:
                limit = f"{FP32_TOLERANCE_M:g} m is the limit."
                yield name, f"{name} is up to {result.anywhere_max_m:.2g} m from PyTorch; {limit}"
        elif not result.position_mean_m["3s"] <= mean_limit_m(name):
            mean_m = result.position_mean_m["3s"]
            yield name, f"{name} is {mean_m:.3f} m from FP32 at 3 s on average; {mean_limit_m(name):g} m is the limit."


def mean_limit_m(name: str) -> float:
    """How far an INT8 or FP16 file may be from FP32 at 3 s on average."""
    return FP16_MEAN_TOLERANCE_3S_M if name.startswith("onnx_fp16") else INT8_MEAN_TOLERANCE_3S_M


class _Tally:
    """Adds up differences tick by tick, so that a long drive needs no memory for its outputs."""

    def __init__(self) -> None:
        names = output_shapes()
        self.ticks = 0
        self.max_abs = dict.fromkeys(names, 0.0)
        self.signal = dict.fromkeys(names, 0.0)
        self.noise = dict.fromkeys(names, 0.0)
        self.distance_m: list[np.ndarray] = []
        self.control: list[tuple[float, float]] = []

    def add(self, outputs: dict[str, np.ndarray], reference: dict[str, np.ndarray]) -> None:
        self.ticks += 1
        for name in self.max_abs:
            difference = outputs[name].astype(np.float64) - reference[name]
            # NaN must not hide behind a comparison that is false.
            self.max_abs[name] = float(np.maximum(self.max_abs[name], np.abs(difference).max()))
            self.signal[name] += float((reference[name].astype(np.float64) ** 2).sum())
            self.noise[name] += float((difference**2).sum())
        offset = outputs["trajectory"][:, :2].astype(np.float64) - reference["trajectory"][:, :2]
        self.distance_m.append(np.hypot(offset[:, 0], offset[:, 1]))
        self.control.append(
            (
                abs(float(outputs["curvature"][0]) - float(reference["curvature"][0])),
                abs(float(outputs["acceleration"][0]) - float(reference["acceleration"][0])),
            )
        )

    def finish(self, reference: str) -> Comparison:
        distance_m, control = np.array(self.distance_m), np.array(self.control)
        rows = {f"{seconds}s": round(seconds / WAYPOINT_STEP_S) - 1 for seconds in HORIZONS_S}
        quarter = max(self.ticks // 4, 1)
        early, late = distance_m[:quarter, rows["3s"]].mean(), distance_m[-quarter:, rows["3s"]].mean()
        return Comparison(
            reference=reference,
            ticks=self.ticks,
            max_abs=self.max_abs,
            sqnr_db={
                name: 10 * float(np.log10(max(self.signal[name], 1e-30) / max(self.noise[name], 1e-30)))
                for name in self.signal
            },
            position_mean_m={name: float(distance_m[:, row].mean()) for name, row in rows.items()},
            position_max_m={name: float(distance_m[:, row].max()) for name, row in rows.items()},
            anywhere_max_m=float(distance_m.max()),
            curvature_mean_per_m=float(control[:, 0].mean()),
            curvature_max_per_m=float(control[:, 0].max()),
            acceleration_mean_mps2=float(control[:, 1].mean()),
            acceleration_max_mps2=float(control[:, 1].max()),
            growth=float(late / max(early, 1e-12)),
            drift_m=tuple(
                float(part.mean()) for part in np.array_split(distance_m[:, rows["3s"]], DRIFT_PARTS) if part.size
            ),
            worst_tick=int(np.argmax(distance_m.max(axis=1))),
        )
