"""Drive held-out roads of the simulator in closed loop, and score with the measures of driving benchmarks.

Every driver drives the same routes, so differences are paired. All results are simulated.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from fsd.data.errors import OutputError
from fsd.data.files import write_text, writing_to
from fsd.data.frames import CAMERAS
from fsd.data.options import OptionError, option, results_folder
from fsd.data.result_folder import ResultFolder, result_folder
from fsd.data.result_record import SUMMARY_FILE
from fsd.data.simulator.baselines import BASELINES, Baseline
from fsd.data.simulator.environment import DrivingEnv
from fsd.data.simulator.scenarios import SCORED_SCENARIOS
from fsd.data.simulator.scoring.metrics import DriveRecorder, RouteScore
from fsd.data.simulator.seeds import EVALUATION_SEEDS, check_evaluation_seed
from fsd.data.standard_rigs import canonical_rig
from fsd.data.worker_process import JobsFailedError, run_jobs
from fsd.drive.drivers import FOLLOW, SIDE_AND_REAR, Latency, NetworkDriver, blurred
from fsd.drive.journal import DriveJournal, Job, file_digest
from fsd.drive.page import write_drive_page
from fsd.drive.table import route_metrics
from fsd.networks.onnx_session import require_model_file
from fsd.outputs.disk_space import drive_bytes, warn_if_short
from fsd.outputs.drive_summary import DriveSummary
from fsd.outputs.run_info import Status
from fsd.outputs.summary_file import write_summary
from fsd.runtime.engine import packaged_model
from fsd.runtime.options import NetworkFiles, model_paths
from fsd.third_party.ready_adapters import adapter_file

JOURNAL_FILE, ROUTES_FILE, PAGE_FILE = "routes.jsonl", "routes.json", "drive.html"
PATH_EVERY_TICKS = 12
Films = Sequence[tuple[str, str]]

NETWORKS: dict[str, Mapping[str, Any]] = {
    "network": {},
    "network_blackout": {"masked": CAMERAS},
    "network_front_only": {"masked": SIDE_AND_REAR},
    "network_blurred": {"distort": blurred},
}
DRIVERS = (*BASELINES, *NETWORKS)


@dataclass(frozen=True)
class DriveConfig(NetworkFiles):
    """Settings of a closed-loop evaluation."""

    out: Path = results_folder("out/drive")
    drivers: tuple[str, ...] = option(
        ("expert", "network", "blind_steering", "constant_velocity", "network_blurred"),
        "drivers to evaluate on the same routes; listed below",
        metavar="DRIVER",
    )
    scenarios: tuple[str, ...] = option(
        SCORED_SCENARIOS, "traffic scenarios to drive", choices=SCORED_SCENARIOS, metavar="NAME"
    )
    routes: int = option(3, "routes per scenario", at_least=1)
    first_seed: int = option(
        EVALUATION_SEEDS.start, "seed of the first route; the others count up from it, all held out from training"
    )
    latency: str = option(
        "none",
        "delay before a plan takes effect: none, real (the time it took to compute), or fixed:MS, for example fixed:28",
        metavar="LATENCY",
    )
    follow: str = option(
        FOLLOW[0],
        "part of a plan that is driven: trajectory (a tracker follows it) or controls (curvature and acceleration)",
        choices=FOLLOW,
    )
    mask_cameras: bool = option(True, "do not mask cameras whose pictures are faulty; faults are still named")
    draw_every_ticks: int = option(
        1,
        "draw the camera images only every N ticks: 1 is 36 Hz; 4 is 9 Hz and runs faster",
        at_least=1,
        flag="--draw-every",
    )
    width_px: int = option(320, "width of every camera's images", unit="px", at_least=1, is_argument=False)
    height_px: int = option(240, "height of every camera's images", unit="px", at_least=1, is_argument=False)
    workers: int = option(2, "processes that drive; each drives one route at a time", at_least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(map(driver_name, self.drivers))) < len(self.drivers):
            raise OptionError("drivers", "has two drivers of the same name. Name models differently: NAME=FILE.onnx")
        for name in self.drivers:
            if "=" in name:
                continue
            kind, _, camera = name.partition(":")
            if kind not in DRIVERS or (camera and (kind != "network" or camera not in CAMERAS)):
                raise OptionError(
                    "drivers",
                    f"has no driver {name!r}. Choose from {', '.join(DRIVERS)}, network:CAMERA or NAME=FILE.onnx",
                )
        check_evaluation_seed(self.first_seed)
        check_evaluation_seed(self.first_seed + self.routes - 1)
        Latency.parse(self.latency)


def driver_name(spec: str) -> str:
    """A driver's name in the results: `fp32` of `fp32=other.onnx`, else the whole text."""
    return spec.partition("=")[0]


@dataclass
class DriveResult:
    """Scores of every route: `scores[driver][(scenario, seed)]`; `paths` the same of (n, 2) driven x m, y m."""

    config: DriveConfig
    scores: dict[str, dict[tuple[str, int], RouteScore]] = field(default_factory=dict)
    paths: dict[str, dict[tuple[str, int], np.ndarray]] = field(default_factory=dict)

    @property
    def main(self) -> str:
        """The driver that the page is about: the first network, or the first of all."""
        return driver_name(next(filter(DriverPool.has_cameras, self.config.drivers), self.config.drivers[0]))

    def write_page(self, status: Status = "complete", error: BaseException | None = None, films: Films = ()) -> None:
        """Write `drive.html`; films are (file, caption) each."""
        summary = self.summary(status, error)
        write_drive_page(self.config.out / PAGE_FILE, summary, self.scores, self.paths, self.main, films)

    def to_rows(self) -> list[dict[str, Any]]:
        """One flat row per driver and route, in a fixed order."""
        return [
            {"driver": driver, "scenario": scenario, "seed": seed, **asdict(score)}
            for driver, routes in self.scores.items()
            for (scenario, seed), score in sorted(routes.items())
        ]

    def summary(self, status: Status = "complete", error: BaseException | None = None) -> DriveSummary:
        """The content of `summary.json`."""
        config = self.config
        return DriveSummary(
            status=status,
            error=None if error is None else f"{type(error).__name__}: {error}",
            scenarios=config.scenarios,
            routes=config.routes,
            first_seed=config.first_seed,
            latency=config.latency,
            follow=config.follow,
            draw_every_ticks=config.draw_every_ticks,
            mask_cameras=config.mask_cameras,
            drivers={name: route_metrics(routes) for name, routes in self.scores.items()},
            failures=error.failures if isinstance(error, JobsFailedError) else {},
        )


def drive(config: DriveConfig, progress: Callable[[int, int], None] | None = None) -> DriveResult:
    """Drive every route with every driver; routes that `config.out` already holds for the same settings are skipped.

    Raises:
        SimulatorError: a network driver needs images and this machine has no OpenGL.
        ModelError: the model cannot be used.
        OutputError: the folder cannot be written, or another run holds it.
        FsdError: a process was killed, or some routes failed; `config.out` holds the results of the finished routes.
        KeyboardInterrupt: the drive was interrupted; `config.out` holds the results of the finished routes.
    """
    named = [model_of(config, spec) for spec in config.drivers if DriverPool.has_cameras(spec)]
    models = [path for files, adapter in named for path in (*files, adapter) if path is not None]
    with result_folder(config.out, "drive", (JOURNAL_FILE, ROUTES_FILE, PAGE_FILE, SUMMARY_FILE), models) as folder:
        folder.begin()
        warn_if_short(config.out, drive_bytes(config.routes * len(config.scenarios) * len(config.drivers), 0))
        return _drive(config, folder, progress)


def _drive(config: DriveConfig, folder: ResultFolder, progress: Callable[[int, int], None] | None) -> DriveResult:
    names = {driver_name(spec): spec for spec in config.drivers}
    # Route by route, not driver by driver, so that the results of an interrupted run can be compared.
    jobs = [
        (driver, scenario, config.first_seed + index)
        for index in range(config.routes)
        for scenario in config.scenarios
        for driver in names
    ]
    journal = DriveJournal(
        config.out / JOURNAL_FILE, {driver: _settings(config, spec) for driver, spec in names.items()}
    )
    missing = [job for job in jobs if job not in journal.done]

    def finish(job: Job, driven: tuple[RouteScore, list[tuple[float, float]]]) -> None:
        journal.append(job, *driven)
        if progress is not None:
            progress(sum(each in journal.done for each in jobs), len(jobs))

    def report(status: Status, error: BaseException | None = None) -> DriveResult:
        result = DriveResult(config, {driver: {} for driver in names}, {driver: {} for driver in names})
        for driver, scenario, seed in jobs:
            if (score := journal.done.get((driver, scenario, seed))) is not None:
                result.scores[driver][scenario, seed] = score
            if len(path_m := journal.paths.get((driver, scenario, seed), [])) > 1:
                result.paths[driver][scenario, seed] = np.array(path_m)
        folder.free_summary()
        with writing_to(config.out):
            write_text(config.out / ROUTES_FILE, json.dumps(result.to_rows(), indent=1) + "\n")
            write_summary(config.out, result.summary(status, error))
            result.write_page(status, error)
        return result

    try:
        run_jobs(_work, missing, config.workers, finish, _start_worker, _for_any_folder(config))
    except BaseException as error:
        with suppress(OutputError):  # the first error is the one that matters
            report("interrupted" if isinstance(error, KeyboardInterrupt) else "failed", error)
        raise
    return report("complete")


def _settings(config: DriveConfig, spec: str) -> dict[str, Any]:
    """The settings that determine how this driver drives a route."""
    if not DriverPool.has_cameras(spec):
        return {"driver": spec}
    models, adapter = model_of(config, spec)
    digests = [*map(file_digest, models or [packaged_model()])]
    more = {} if adapter is None else {"adapter": file_digest(adapter)}
    return more | {
        "driver": driver_name(spec),
        "model": digests if len(digests) > 1 else digests[0],
        "latency": config.latency,
        "follow": config.follow,
        "draw_every_ticks": config.draw_every_ticks,
        "mask_cameras": config.mask_cameras,
        "size": (config.width_px, config.height_px),
    }


def model_of(config: DriveConfig, spec: str) -> tuple[tuple[Path, ...], Path | None]:
    """The model files of a network driver, none for the packaged one, and their adapter, if they need one.

    Raises:
        ModelError: there is no such file.
    """
    _, _, other = spec.partition("=")
    models = (Path(other),) if other else model_paths(config.model)
    for model in models:
        require_model_file(model, "--drivers" if other else "--model")
    return models, None if other or config.adapter is None else adapter_file(config.adapter)


def _for_any_folder(config: DriveConfig) -> DriveConfig:
    """The same with absolute paths of models: a worker on a cluster may start in another folder."""
    models = tuple(path.absolute() for path in model_paths(config.model))
    adapter = config.adapter
    if adapter is not None and adapter.exists():  # otherwise the name of a ready one
        adapter = adapter.absolute()
    specs = (spec.partition("=") for spec in config.drivers)
    drivers = tuple(f"{name}={Path(file).absolute()}" if equals else name for name, equals, file in specs)
    return replace(config, model=models or None, adapter=adapter, drivers=drivers)


class DriverPool:
    """Drives routes; creates the network drivers by name, once each, all with one renderer.

    Attributes:
        path_m: x m, y m of the last route, three per second.
    """

    def __init__(self, config: DriveConfig) -> None:
        self._config = config
        self._specs = {driver_name(spec): spec for spec in config.drivers}
        self._networks: dict[str, NetworkDriver] = {}
        self._renderer: Any = None
        self.path_m: list[tuple[float, float]] = []
        self.rig = canonical_rig(config.width_px, config.height_px)

    def run(self, name: str, scenario: str, seed: int) -> RouteScore:
        """Drive one route and score it."""
        if self.has_cameras(name):
            driver = self.network(name)
            driver.reset()
            controls: Baseline = driver.controls
            env = DrivingEnv(scenario, seed, self.renderer)
        else:
            controls = BASELINES[name]
            env = DrivingEnv(scenario, seed)
        recorder, self.path_m = DriveRecorder(env), []
        while not env.done:
            if env.world.tick % PATH_EVERY_TICKS == 0:
                self.path_m.append(_position(env))
            env.step(*controls(env))
            recorder.record_tick()
        self.path_m.append(_position(env))
        return recorder.score()

    @staticmethod
    def has_cameras(name: str) -> bool:
        """Whether this driver uses cameras."""
        return name not in BASELINES

    @property
    def renderer(self) -> Any:
        """The renderer that all drivers share, created at its first use."""
        if self._renderer is None:
            from fsd.data.simulator.rendering.renderer import Renderer

            self._renderer = Renderer(self.rig)
        return self._renderer

    def network(self, name: str) -> NetworkDriver:
        """The network driver of this name in the results."""
        if name not in self._networks:
            config, spec = self._config, self._specs.get(name, name)
            kind, _, camera = name.partition(":")
            options: Mapping[str, Any] = {} if "=" in spec else {"masked": (camera,)} if camera else NETWORKS[kind]
            self._networks[name] = NetworkDriver(
                self.rig,
                *model_of(config, spec),
                draw_every_ticks=config.draw_every_ticks,
                latency=Latency.parse(config.latency),
                follow=config.follow,
                mask_cameras=config.mask_cameras,
                **options,
            )
        return self._networks[name]


_pool: DriverPool | None = None


def _start_worker(config: DriveConfig) -> None:
    global _pool
    _pool = DriverPool(config)


def _work(job: Job) -> tuple[RouteScore, list[tuple[float, float]]]:
    assert _pool is not None
    return _pool.run(*job), _pool.path_m


def _position(env: DrivingEnv) -> tuple[float, float]:
    return round(env.world.ego.x_m, 1), round(env.world.ego.y_m, 1)
