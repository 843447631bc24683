"""Parity check: run the same drive through PyTorch, FP32 ONNX and INT8 ONNX and compare their outputs.

Differences are reported in decibels and in the units of the plan: metres, 1/m, m/s². Each model keeps its own recurrent
memory, so an error that accumulates shows as growth. It compares numbers, not driving quality.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fsd.data.errors import ModelError
from fsd.export.calibration import Clip
from fsd.export.onnx_runner import BatchRunner, OnnxRunner, Runner, open_model
from fsd.networks.contract import WAYPOINT_STEP_S, output_shapes
from fsd.networks.model import DrivingNetwork

HORIZONS_S = (1, 2, 3)

FP32_TOLERANCE_M = 1e-4
"""FP32 ONNX against PyTorch, maximum over the trajectory: 100 times float rounding over a few recurrent steps."""

INT8_MEAN_TOLERANCE_3S_M = 0.05
"""INT8 against FP32, mean over the drive: far less than steering corrects within one tick."""

FP16_MEAN_TOLERANCE_3S_M = 0.02
"""FP16 against FP32: eleven bits of a 40 m plan are 2 cm."""

UNOPTIMISED_TICKS = 100
"""Ticks for sessions without graph optimisation: they are ten times slower, and only have to agree."""

REFERENCE = "pytorch"
UNOPTIMISED = "_unoptimised"
FP32 = "onnx_fp32"
FP32_BATCH = FP32 + "_batch"
SCHEMA_VERSION = 1
"""Of `parity.json`; rises when a field changes its name or meaning."""

DRIFT_PARTS = 10
"""Number of parts of the drive; the mean distance in each shows whether an error grows."""


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Run PyTorch on one thread: idle threads spin, and beside other work two threads used 150 ms of CPU time for a
    tick that takes one thread 14 ms.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class TorchRunner(Runner):
    """Runs the network in PyTorch."""

    def __init__(self, network: DrivingNetwork, device: str = "cpu") -> None:
        super().__init__(network.config.budget)
        self.network, self.device = network.eval().to(device), torch.device(device)
        self._inputs = {name: torch.from_numpy(array) for name, array in self.feeds.arrays.items()}

    def _run(self) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            inputs = {name: value.to(self.device) for name, value in self._inputs.items()}
            return {name: value.cpu().numpy() for name, value in self.network(**inputs).items()}


@dataclass(frozen=True)
class Comparison:
    """Differences of one file from its reference over all ticks.

    Attributes:
        ticks: number of compared ticks.
        max_abs: output name -> largest difference, in the output's unit.
        sqnr_db: output name -> signal over difference, decibels, over the whole drive.
        position_mean_m, position_max_m: distance of the waypoints at 1, 2, 3 s.
        anywhere_max_m: largest distance of any waypoint at any tick.
        curvature_mean_per_m, curvature_max_per_m, acceleration_mean_mps2, acceleration_max_mps2: of the controls.
        growth: mean distance at 3 s in the last quarter of the drive over that in the first; 1 means no growth.
        drift_m: mean distance at 3 s in each tenth of the drive.
        worst_tick: tick of the largest distance, counted over all clips.
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
    """`comparisons` by file and optimisation; `failures` are sentences, empty if all tolerances hold.

    `failed` names the failed comparisons; `notes` state what the check does not cover.
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
        return {"schema_version": SCHEMA_VERSION, "passed": self.passed, **asdict(self)}


def compare(
    network: DrivingNetwork,
    fp32: Path,
    others: Mapping[str, Path],
    clips: Iterable[Clip],
    unoptimised_ticks: int = UNOPTIMISED_TICKS,
    device: str = "cpu",
) -> ParityReport:
    """Compare FP32 with PyTorch, and the other files with FP32, with and without graph optimisation.

    Args:
        others: INT8, FP16 and batch files by their name in the report: `onnx_int8`, `onnx_fp16` …
        device: device of PyTorch.

    Raises:
        ModelError: the clips have no ticks.
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
        raise ModelError("The clips given with `--data` have no ticks for the parity check. Name other clips.")
    comparisons = {name: tally.finish(pairs[name]) for name, tally in tallies.items() if tally.ticks}
    found = dict(_failures(comparisons))
    return ParityReport(ticks, comparisons, tuple(found.values()), tuple(found))


def _failures(comparisons: dict[str, Comparison]) -> Iterable[tuple[str, str]]:
    """(name, sentence) of each comparison over its limit; NaN counts as over."""
    for name, result in comparisons.items():
        if result.reference == REFERENCE:
            if not result.anywhere_max_m <= FP32_TOLERANCE_M:
                limit = f"{FP32_TOLERANCE_M:g} m is the limit."
                yield name, f"{name} is up to {result.anywhere_max_m:.2g} m from PyTorch; {limit}"
        elif not result.position_mean_m["3s"] <= mean_limit_m(name):
            mean_m = result.position_mean_m["3s"]
            yield name, f"{name} is {mean_m:.3f} m from FP32 at 3 s on average; {mean_limit_m(name):g} m is the limit."


def mean_limit_m(name: str) -> float:
    return FP16_MEAN_TOLERANCE_3S_M if name.startswith("onnx_fp16") else INT8_MEAN_TOLERANCE_3S_M


class _Tally:
    """Accumulates differences tick by tick, without storing all outputs of a drive."""

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
            # np.maximum propagates NaN, unlike a comparison.
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
