"""What `kill_anywhere.py` kills: small runs, what a finished one must hold, and what a killed one must have kept.

Every function runs in a process of its own, which `kill_anywhere.py` forks, so that nothing heavy is loaded here.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TICKS, BATCH_TICKS = 80, 40
ROUTES, STEPS, EPISODES = 3, 12, 4
Result = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """A run that can be killed and started again.

    Attributes:
        prepare: makes the inputs in a folder, once.
        run: called with inputs, result folder, and a function to call with the rows written so far.
        result: of a finished run, for comparison with an undisturbed one.
        kept: of a killed run: the rows that can be read, and what it holds that an undisturbed one does not.
        modules: loaded before a process is forked, so that kills meet work and not imports. None starts a thread then.
    """

    prepare: Callable[[Path], None]
    run: Callable[[Path, Path, Callable[[int], None]], None]
    result: Callable[[Path], Result]
    kept: Callable[[Path, Result], tuple[int, list[str]]]
    modules: tuple[str, ...]


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names(folder: Path) -> list[str]:
    """Every file below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _write_clip(folder: Path, ticks: int, seed: int) -> None:
    import numpy as np

    from fsd.data.clip_writer import ClipWriter
    from fsd.data.clock import tick_time_ns
    from fsd.data.standard_rigs import canonical_rig

    texture = np.random.default_rng(seed).integers(40, 90, (96, 128, 3), dtype=np.uint8)
    with ClipWriter(folder, canonical_rig(128, 96)) as writer:
        for tick in range(ticks):
            image = texture.copy()
            image[30:60, tick % 90 : tick % 90 + 30] = 220
            ego = {"x": 10.0 * tick / 36, "y": 0.0, "z": 0.0, "qw": 1.0, "qx": 0.0, "qy": 0.0, "qz": 0.0}
            writer.write([image] * 8, tick_time_ns(tick), ego=ego | {"v_mps": 10.0, "yaw_rate_rps": 0.0})


def _run_replay(inputs: Path, out: Path, wrote: Callable[[int], None]) -> None:
    from fsd.outputs.journal import TableJournal
    from fsd.replay.config import ReplayConfig
    from fsd.replay.replay import replay

    flush, rows = TableJournal._flush, 0

    def counted(self: TableJournal) -> None:
        nonlocal rows
        new = len(self._rows)
        flush(self)
        if self.parquet_path.name == "plan.parquet":
            rows += new
            wrote(rows)

    TableJournal._flush = counted  # type: ignore[method-assign]
    replay(ReplayConfig(clip=inputs / "clip", out=out, overlay=True, mcap=True, report=True), show_progress=False)


def _replay_result(out: Path) -> Result:
    import av
    from mcap.reader import make_reader

    summary = json.loads((out / "summary.json").read_text())
    with av.open(str(out / "overlay.mp4")) as video:
        images = sum(1 for _ in video.decode(video=0))
    with (out / "drive.mcap").open("rb") as file:
        plans = sum(1 for _ in make_reader(file).iter_messages(topics=["/plan"]))
    found = {"files": names(out), "images": images, "plans": plans, "status": summary["status"]}
    return found | {"ticks": summary["ticks"]} | _hashes(out)


def _hashes(out: Path) -> dict[str, list[Any]]:
    from fsd.outputs.journal import read_table

    plan, ticks = read_table(out / "plan.parquet"), read_table(out / "ticks.parquet")
    columns = {"plan_hash": plan["plan_hash"], "tick": plan["tick"], "input_hash": ticks["input_hash"]}
    return {name: column.to_pylist() for name, column in columns.items()}


def _replay_kept(out: Path, whole: Result) -> tuple[int, list[str]]:
    try:
        found = _hashes(out)
    except FileNotFoundError:  # killed before both tables were there
        return 0, []
    wrong = [name for name, column in found.items() if column != whole[name][: len(column)]]
    return len(found["plan_hash"]), wrong


def _prepare_batch(inputs: Path) -> None:
    for seed in range(3):
        _write_clip(inputs / f"clip{seed}", BATCH_TICKS, seed)


def _run_batch(inputs: Path, out: Path, wrote: Callable[[int], None]) -> None:
    from fsd.replay.batch import Outcome, replay_many
    from fsd.replay.config import ReplayConfig

    def ended(outcome: Outcome) -> None:
        wrote(sum(each["status"] in ("complete", "kept") for each in json.loads((out / "batch.json").read_text())))

    clips = sorted(inputs.glob("clip*"))
    template = ReplayConfig(clip=clips[0], out=out, overlay=False, mcap=False, report=False)
    replay_many(clips, template, workers=2, progress=ended)


def _batch_result(out: Path) -> Result:
    outcomes = json.loads((out / "batch.json").read_text())
    runs = {each["clip"].rpartition("/")[2]: _hashes(Path(each["out"])) for each in outcomes}
    return {"files": names(out), "good": [each["status"] in ("complete", "kept") for each in outcomes], "runs": runs}


def _batch_kept(out: Path, whole: Result) -> tuple[int, list[str]]:
    """Recordings that `batch.json` calls complete, and tables that differ."""
    if not (out / "batch.json").exists():
        return 0, []
    outcomes = json.loads((out / "batch.json").read_text())
    wrong, good = [], 0
    for each in outcomes:
        _, differing = _replay_kept(Path(each["out"]), whole["runs"][each["clip"].rpartition("/")[2]])
        wrong += differing
        good += each["status"] in ("complete", "kept")
    return good, wrong


def _run_drive(inputs: Path, out: Path, wrote: Callable[[int], None]) -> None:
    from fsd.drive.drive import DriveConfig, drive

    drivers = ("expert", "straight")
    config = DriveConfig(out, drivers=drivers, scenarios=("S1",), routes=ROUTES, workers=2)
    drive(config, lambda done, total: wrote(done))


def _drive_result(out: Path) -> Result:
    lines = [json.loads(line) for line in (out / "routes.jsonl").read_text().splitlines()]
    routes = sorted(json.dumps(line, sort_keys=True) for line in lines)  # each once
    return {"files": names(out), "routes": routes, "table": json.loads((out / "routes.json").read_text())}


def _drive_kept(out: Path, whole: Result) -> tuple[int, list[str]]:
    if not (out / "routes.jsonl").exists():
        return 0, []
    *lines, _ = (out / "routes.jsonl").read_text().split("\n")  # the last is empty, or is not counted
    routes = [json.dumps(json.loads(line), sort_keys=True) for line in lines if line]
    return len(set(routes)), [route for route in routes if route not in whole["routes"]]


def _tiny() -> Any:
    from fsd.compression.budget import Budget
    from fsd.networks.config import NetworkConfig

    budget = Budget("tiny", 30, 40, 6)
    sizes = {"heads": 2, "retina_channels": 16, "patch_channels": (8, 16), "retina_blocks": 1}
    return NetworkConfig(budget, 32, **sizes, has_hypotheses=False, has_maps=False)


def _prepare_training(inputs: Path) -> None:
    import numpy as np

    from fsd.export.synthetic_clip import synthetic_steps
    from fsd.networks.dataset import EpisodeWriter

    budget = _tiny().budget
    for seed in range(4):
        writer = EpisodeWriter(inputs / f"S1-{seed:06d}-r0", budget, 4)
        for index, step in enumerate(synthetic_steps(budget, 48, seed)):
            labels = {"curvature": np.array([0.01 * seed]), "acceleration": np.array([0.1 * index])}
            writer.skip(step.tick) if index % 4 else writer.add(step._replace(command="none"), labels)
        writer.close({"seed": seed})


def _run_training(inputs: Path, out: Path, wrote: Callable[[int], None]) -> None:
    from fsd.networks.dataset import find_episodes
    from fsd.networks.training import train
    from fsd.networks.training_loop import TrainConfig

    network = _tiny()
    config = TrainConfig(
        out=out,
        network=network,
        steps=STEPS,
        clips=3,
        rows_per_clip=2,
        warm_up_steps=2,
        report_every=1,
        evaluate_every=4,
        checkpoint_every=2,
        validation_share=0.4,
        threads=1,
    )
    train(config, find_episodes(inputs, network.budget), lambda step, report: wrote(step))


def _training_result(out: Path) -> Result:
    from safetensors.numpy import load_file

    from fsd.networks.training_log import read_progress

    tensors = load_file(out / "weights.safetensors") | load_file(out / "checkpoint.safetensors")
    weights = {name: hashlib.sha256(tensor.tobytes()).hexdigest() for name, tensor in tensors.items()}
    rows = [{**row, "rows_per_s": 0.0} for row in read_progress(out / "progress.csv")]
    return {"files": names(out), "weights": weights, "log": [str(row) for row in rows]}


def _training_kept(out: Path, whole: Result) -> tuple[int, list[str]]:
    from safetensors.numpy import load_file

    from fsd.networks.training_log import read_progress

    for name in ("weights.safetensors", "checkpoint.safetensors"):
        if (out / name).exists():
            load_file(out / name)
    rows = [str({**row, "rows_per_s": 0.0}) for row in read_progress(out / "progress.csv")]
    return len(rows), [row for row in rows if row not in whole["log"]]


def _run_collection(inputs: Path, out: Path, wrote: Callable[[int], None]) -> None:
    from fsd.networks.collection import CollectionConfig, collect

    small = {"seconds": 0.5, "warm_up_s": 1.0, "width_px": 64, "height_px": 48}
    collect(CollectionConfig(out, EPISODES, **small), 2, lambda done, total: None)


def _episodes(out: Path) -> dict[str, str]:
    return {
        str(path.relative_to(out)): digest(path)
        for folder in sorted(out.glob("*/"))
        if not folder.name.endswith(".part")
        for path in sorted(folder.iterdir())
    }


def _collection_result(out: Path) -> Result:
    return {"files": names(out), "episodes": _episodes(out)}


def _collection_kept(out: Path, whole: Result) -> tuple[int, list[str]]:
    found = _episodes(out)
    return 0, [name for name, sha256 in found.items() if whole["episodes"].get(name) != sha256]


def _prepare_export(inputs: Path) -> None:
    from fsd.networks.weights import save_weights, untrained

    save_weights(untrained(_tiny(), 1), inputs / "weights.safetensors", trained=False)


def _run_export(inputs: Path, out: Path, wrote: Callable[[int], None]) -> None:
    from fsd.export import export
    from fsd.export.config import ExportConfig

    export.SYNTHETIC_CLIPS, export.SYNTHETIC_TICKS = 1, 8
    export.export(ExportConfig(weights=inputs / "weights.safetensors", out=out, parity_ticks=4, half=True))


def _export_result(out: Path) -> Result:
    return {"files": {name: digest(out / name) for name in names(out)}}


def _export_kept(out: Path, whole: Result) -> tuple[int, list[str]]:
    """Files, and those that are not whole."""
    found = {name: digest(out / name) for name in names(out) if not name.endswith(".part")}
    return 0, [name for name, sha256 in found.items() if whole["files"].get(name) != sha256]


def _nothing(inputs: Path) -> None:
    """These runs have no inputs."""


_REPLAY = ("fsd.replay.replay", "fsd.viewers.mcap_writer", "mcap.reader")
SUBJECTS = {
    "replay": Subject(
        lambda inputs: _write_clip(inputs / "clip", TICKS, 0), _run_replay, _replay_result, _replay_kept, _REPLAY
    ),
    "batch": Subject(_prepare_batch, _run_batch, _batch_result, _batch_kept, ("fsd.replay.batch",)),
    "drive": Subject(_nothing, _run_drive, _drive_result, _drive_kept, ("fsd.drive.drive",)),
    "train": Subject(_prepare_training, _run_training, _training_result, _training_kept, ("fsd.networks.training",)),
    "collect": Subject(_nothing, _run_collection, _collection_result, _collection_kept, ("fsd.networks.collection",)),
    "export": Subject(_prepare_export, _run_export, _export_result, _export_kept, ("fsd.export.export",)),
}
