"""Closed loop: drivers on held-out roads of the simulator, side by side, judged by the field's measures.

Routes are the same for every driver, so differences are paired. Everything here is simulation, and says so.
"""

import json
import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fsd.data.errors import ModelError
from fsd.data.frames import CAMERAS
from fsd.data.simulator.baselines import BASELINES
from fsd.data.simulator.environment import DrivingEnv
from fsd.data.simulator.metrics import DriveRecorder, RouteScore
from fsd.data.simulator.scenarios import SCORED_SCENARIOS
from fsd.data.simulator.seeds import EVALUATION_SEEDS, check_evaluation_seed
from fsd.data.standard_rigs import canonical_rig
from fsd.drive.drivers import FOLLOW, SIDE_AND_REAR, BaselineDriver, Driver, Latency, NetworkDriver, blurred
from fsd.drive.journal import DriveJournal, file_digest
from fsd.drive.table import route_metrics
from fsd.outputs.drive_summary import DriveSummary
from fsd.outputs.run_folder import make_result_folder
from fsd.outputs.summary_file import write_summary
from fsd.runtime.engine import packaged_model

NETWORKS: dict[str, Mapping[str, Any]] = {
    "network": {},
    "network_blackout": {"masked": CAMERAS},
    "network_front_only": {"masked": SIDE_AND_REAR},
    "network_blurred": {"distort": blurred},
}
DRIVERS = (*BASELINES, *NETWORKS)


@dataclass(frozen=True)
class DriveConfig:
    """Settings of `fsd drive`.

    Attributes:
        out: folder for the results; drivers: names of `DRIVERS`, `network:CAMERA` with that camera lost, or
            `NAME=FILE.onnx` for another model beside it (its own budget decides what the compressor sends).
        scenarios, routes: which, and how many seeds of each, counting up from `first_seed`.
        model: ONNX file of the network drivers; None is the packaged one.
        latency: `none`, `real` or `fixed:MS`; follow: `trajectory` (by the tracker) or `controls` (the network's own).
        draw_every_ticks: cameras are drawn at every so many ticks: 1 is 36 Hz, 4 is 9 Hz and four times as quick.
        workers: processes, one route each.
    """

    out: Path = Path("out/drive")
    drivers: tuple[str, ...] = ("expert", "network", "blind_steering", "constant_velocity", "network_blurred")
    scenarios: tuple[str, ...] = SCORED_SCENARIOS
    routes: int = 3
    first_seed: int = EVALUATION_SEEDS.start
    model: Path | None = None
    latency: str = "none"
    follow: str = FOLLOW[0]
    draw_every_ticks: int = 1
    width_px: int = 320
    height_px: int = 240
    workers: int = 2

    def __post_init__(self) -> None:
        if len(set(map(driver_name, self.drivers))) < len(self.drivers):
            raise ValueError("Two drivers have the same name. Name models differently: NAME=FILE.onnx.")
        if self.follow not in FOLLOW:
            raise ValueError(f"follow must be one of {', '.join(FOLLOW)}, got {self.follow!r}.")
        for name in self.drivers:
            if "=" in name:
                continue
            kind, _, camera = name.partition(":")
            if kind not in DRIVERS or (camera and (kind != "network" or camera not in CAMERAS)):
                raise ValueError(
                    f"There is no driver {name!r}. Choose from {', '.join(DRIVERS)}, network:CAMERA or NAME=FILE.onnx."
                )
        for name in self.scenarios:
            if name not in SCORED_SCENARIOS:
                raise ValueError(f"There is no scenario {name!r}. Choose from {', '.join(SCORED_SCENARIOS)}.")
        if self.routes < 1 or self.workers < 1 or self.draw_every_ticks < 1:
            raise ValueError("routes, workers and draw_every_ticks must be at least 1.")
        check_evaluation_seed(self.first_seed)
        check_evaluation_seed(self.first_seed + self.routes - 1)
        Latency.parse(self.latency)


def driver_name(spec: str) -> str:
    """What a driver is called in the results: `fp32` of `fp32=other.onnx`, else the word itself."""
    return spec.partition("=")[0]


@dataclass
class DriveResult:
    """Scores of every route: `scores[driver][(scenario, seed)]`."""

    config: DriveConfig
    scores: dict[str, dict[tuple[str, int], RouteScore]] = field(default_factory=dict)

    def to_rows(self) -> list[dict[str, Any]]:
        """One flat row a driver and route, in a fixed order."""
        return [
            {"driver": driver, "scenario": scenario, "seed": seed, **asdict(score)}
            for driver, routes in self.scores.items()
            for (scenario, seed), score in sorted(routes.items())
        ]

    def summary(self) -> DriveSummary:
        """The content of `summary.json`."""
        config = self.config
        return DriveSummary(
            scenarios=config.scenarios,
            routes=config.routes,
            first_seed=config.first_seed,
            latency=config.latency,
            follow=config.follow,
            draw_every_ticks=config.draw_every_ticks,
            drivers={name: route_metrics(routes) for name, routes in self.scores.items()},
        )


def drive(config: DriveConfig, progress: Callable[[int, int], None] | None = None) -> DriveResult:
    """Let every driver drive every route; what `config.out` already holds of just these drives is not driven again.

    Raises:
        SimulatorError: a network driver needs pictures and there is no OpenGL here.
        ModelError: the model cannot be used.
    """
    names = {driver_name(spec): spec for spec in config.drivers}
    # Route by route, not driver by driver: whatever has been driven when a run breaks can be compared.
    jobs = [
        (driver, scenario, config.first_seed + index)
        for index in range(config.routes)
        for scenario in config.scenarios
        for driver in names
    ]
    journal = DriveJournal(
        config.out / "routes.jsonl", {driver: _settings(config, spec) for driver, spec in names.items()}
    )
    missing = [job for job in jobs if job not in journal.done]
    context = multiprocessing.get_context("spawn")
    if missing:
        with ProcessPoolExecutor(config.workers, context, _start_worker, (config,)) as pool:
            pending = {pool.submit(_work, names[job[0]], *job[1:]): job for job in missing}
            for done, future in enumerate(as_completed(pending), start=len(jobs) - len(missing) + 1):
                journal.append(pending[future], future.result())
                if progress is not None:
                    progress(done, len(jobs))
    result = DriveResult(config, {driver: {} for driver in names})
    for driver, scenario, seed in jobs:
        result.scores[driver][scenario, seed] = journal.done[driver, scenario, seed]
    make_result_folder(config.out)
    (config.out / "routes.json").write_text(json.dumps(result.to_rows(), indent=1) + "\n", encoding="utf-8")
    write_summary(config.out, result.summary())
    return result


def _settings(config: DriveConfig, spec: str) -> dict[str, Any]:
    """What decides how this driver drives a world."""
    if not Garage.has_pictures(spec):
        return {"driver": spec}
    model = model_of(config, spec)
    return {
        "driver": driver_name(spec),
        "model": file_digest(packaged_model() if model is None else model),
        "latency": config.latency,
        "follow": config.follow,
        "draw_every_ticks": config.draw_every_ticks,
        "size": (config.width_px, config.height_px),
    }


def model_of(config: DriveConfig, spec: str) -> Path | None:
    """The model file of a network driver; None is the packaged one.

    Raises:
        ModelError: there is no such file.
    """
    _, _, other = spec.partition("=")
    model = Path(other) if other else config.model
    if model is not None and not model.is_file():
        raise ModelError(f"There is no model file {model}. Make one with `fsd export`, or leave `--model` out.")
    return model


class Garage:
    """Makes drivers by name, once each, around one renderer."""

    def __init__(self, config: DriveConfig) -> None:
        self._config = config
        self._drivers: dict[str, Driver] = {}
        self._renderer: Any = None
        self.rig = canonical_rig(config.width_px, config.height_px)

    def run(self, name: str, scenario: str, seed: int) -> RouteScore:
        """Drive one route and score it."""
        driver = self.driver(name)
        env = DrivingEnv(scenario, seed, self.renderer if self.has_pictures(name) else None)
        driver.reset(env)
        recorder = DriveRecorder(env)
        while not env.done:
            env.step(*driver.controls(env))
            recorder.watch()
        return recorder.score()

    @staticmethod
    def has_pictures(name: str) -> bool:
        """Whether this driver sees through cameras."""
        return name not in BASELINES

    @property
    def renderer(self) -> Any:
        """The renderer that all drivers share, made when it is first needed."""
        if self._renderer is None:
            from fsd.data.simulator.renderer import Renderer

            self._renderer = Renderer(self.rig)
        return self._renderer

    def driver(self, name: str) -> Driver:
        """The driver of this name, as in `DriveConfig.drivers`."""
        if name not in self._drivers:
            self._drivers[name] = self._make(name)
        return self._drivers[name]

    def _make(self, name: str) -> Driver:
        if name in BASELINES:
            return BaselineDriver(BASELINES[name])
        config = self._config
        kind, _, camera = name.partition(":")
        options: Mapping[str, Any] = {} if "=" in name else {"masked": (camera,)} if camera else NETWORKS[kind]
        return NetworkDriver(
            self.rig,
            model_of(config, name),
            draw_every_ticks=config.draw_every_ticks,
            latency=Latency.parse(config.latency),
            follow=config.follow,
            **options,
        )


_garage: Garage | None = None


def _start_worker(config: DriveConfig) -> None:
    global _garage
    _garage = Garage(config)


def _work(driver: str, scenario: str, seed: int) -> RouteScore:
    assert _garage is not None
    return _garage.run(driver, scenario, seed)
