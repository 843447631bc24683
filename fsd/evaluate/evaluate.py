"""`fsd evaluate`: the open-loop card of a network on drives that it has not learned from."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from fsd.data.errors import UsageError
from fsd.data.frames import CAMERAS
from fsd.data.result_folder import result_folder
from fsd.data.result_record import SUMMARY_FILE
from fsd.evaluate.card import NOMINAL
from fsd.evaluate.config import CARD_PAGE, EVALUATE_FILES, EvaluateConfig
from fsd.evaluate.dataset_run import NetworkRun
from fsd.evaluate.intervals import RESAMPLES
from fsd.evaluate.page import write_card_page
from fsd.networks.drives.clip_record import CLIPS_FOLDER
from fsd.networks.drives.recorded_dataset import INDEX_FILE
from fsd.networks.drives.rolled_ticks import Withheld
from fsd.outputs.evaluate_summary import EvaluateSummary
from fsd.outputs.progress import print_line
from fsd.outputs.run_info import Status
from fsd.outputs.run_status import run_reported
from fsd.outputs.summary_file import load_summary
from fsd.version import __version__

MASKS = {
    "no_pictures": (Withheld(cameras=frozenset(CAMERAS)), "all pictures; speed, yaw rate and odometry stay"),
    "no_ego": (Withheld(ego=True), "speed and yaw rate; the poses of the memory, which come from them, stay"),
    "no_memory": (Withheld(memory=True), "the memory: every tick is the first one"),
    "pictures_only": (
        Withheld(ego=True, memory=True),
        "speed, yaw rate and the memory: nothing tells how fast the car is",
    ),
}
"""Name -> what is withheld, and how it is described."""

SOME_CAMERAS = "some_cameras"


def evaluate(config: EvaluateConfig) -> EvaluateSummary:
    """Run the network over a part of the data set, score it, and write the card to `config.out`.

    A complete card of the same run that is there already is kept, so that a comparison of many networks goes on where
    it was interrupted.

    Raises:
        ModelError, ClipError: the network or the data set cannot be used, or they do not match.
        OutputError: the folder cannot be written.
    """
    masks = withheld_runs(config.cameras or (), config.masks)
    run = NetworkRun.open(config, config.model_file, config.dataset, config.part_name)
    run.withheld = {name: withheld for name, (withheld, _) in masks.items()}
    if config.cameras:
        _check_cameras(config, run)
    key = _key(config, run)
    kept = None if config.force else _complete_card(config.out, key)
    if kept is not None:
        print_line(f"kept {config.out}: complete, of the same network, data and options (--force runs it again)")
        return kept

    def summary(status: Status, error: BaseException | None) -> EvaluateSummary:
        tables, facts = run.tables, run.facts()
        if config.cameras:
            facts["approximate"] += (
                "With fewer cameras, the patches of the others are empty; a compressor of such a rig gives them to the "
                "cameras that it has.",
            )
        return EvaluateSummary(
            status=status,
            error=None if error is None else str(error),
            speed_bins=tables.speed_bins(),
            curvature_bins=tables.curvature_bins(),
            withheld=tables.withheld({name: text for name, (_, text) in masks.items()}),
            nominal=NOMINAL,
            uncertainty=tables.uncertainty(),
            resamples=RESAMPLES,
            key=key,
            **facts,
        )

    inputs = [run.engine.model, config.dataset / INDEX_FILE, config.dataset / CLIPS_FOLDER]
    with result_folder(config.out, "evaluate", EVALUATE_FILES, inputs) as folder:
        folder.set_aside(EVALUATE_FILES)
        return run_reported(folder, run.run, summary, lambda written: write_card_page(config.out / CARD_PAGE, written))


def _key(config: EvaluateConfig, run: NetworkRun) -> str:
    """Digest of all that decides what the card says."""
    model = hashlib.sha256(run.engine.model.read_bytes()).hexdigest()
    options = [config.part, config.cameras, config.masks, config.device, config.threads, config.workers]
    return hashlib.sha256(json.dumps([__version__, model, run.source.index_sha256, options]).encode()).hexdigest()


def _complete_card(out: Path, key: str) -> EvaluateSummary | None:
    """The card in a folder if it is complete and has this key."""
    if not (out / CARD_PAGE).exists():
        return None
    try:
        found = load_summary(out / SUMMARY_FILE, EvaluateSummary)
    except UsageError:  # of another command or version: the run says so, or replaces it
        return None
    return found if found.status == "complete" and found.key == key else None


def withheld_runs(cameras: Sequence[str], masks: bool) -> dict[str, tuple[Withheld, str]]:
    """Name -> what is withheld in a further run of the network, and how it is described."""
    found = dict(MASKS) if masks else {}
    if cameras:
        lost = frozenset(CAMERAS) - frozenset(cameras)
        found[SOME_CAMERAS] = (Withheld(cameras=lost), f"all cameras but {', '.join(cameras)}")
    return found


def _check_cameras(config: EvaluateConfig, run: NetworkRun) -> None:
    """Refuse cameras of which no clip has a video: nothing would be left, or nothing lost.

    Raises:
        UsageError: says which cameras there are.
    """
    recorded = {name for record in run.source.records.values() for name in record.cameras}
    unknown = [name for name in config.cameras or () if name not in recorded]
    if unknown:
        raise UsageError(
            f"--cameras names {', '.join(unknown)}, of which this part of {config.dataset} has no video. It has "
            f"{', '.join(name for name in CAMERAS if name in recorded)}."
        )
