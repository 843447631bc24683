"""What compression costs in driving: error against bytes per tick, for our profiles and for every baseline.

One command. Its stages keep their results in a work folder, and an interrupted run resumes there.

    python benchmarks/rate_distortion --weights weights.safetensors            # about three hours on two cores
    python benchmarks/rate_distortion --weights weights.safetensors --size medium
    python benchmarks/rate_distortion --quick                                  # the same code in under a minute
    python benchmarks/rate_distortion --weights … --closed-loop 5              # also drive 5 routes per scenario
    python benchmarks/rate_distortion --weights foveated.safetensors --earlier-weights b100.safetensors   # no training

Stages: `collect` records training drives; `train` fine-tunes one network for all policies and one for every other base
image; `evaluate` plans on held-out drives with every variant; `hazards` measures how soon a patch shows a person or car
that becomes dangerous; `recordings` measures what is kept of real video. --closed-loop drives. With the weights of a
foveated network, only `evaluate` and `hazards` run. docs/rate_distortion.md says what is compared, and what the
benchmark cannot tell.
"""

import argparse
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _report import finish

from fsd.compression.budget import Budget
from fsd.data.files import write_text
from rate_distortion.drives import HEIGHT_PX, WIDTH_PX
from rate_distortion.scene_cuts import has_pyscenedetect
from rate_distortion.sizes import SIZES, Sizes
from rate_distortion.variants import DENSE, network_plans

if TYPE_CHECKING:
    from fsd.networks.weights import WeightsHeader

WORK = "out/rate_distortion"
STAGES = ("collect", "train", "evaluate", "hazards", "recordings")


def main() -> None:
    """Run the stages, print the tables, write the plot and the results."""
    options = _parse()
    from rate_distortion.foveated import DENSE_FOVEATED, foveated_metrics, is_foveated
    from rate_distortion.report import final_metrics
    from rate_distortion.stages import Stages

    weights, header = _weights(options)
    is_trained, has_fovea = header.trained, is_foveated(header.config)
    sizes = _sizes(options, has_fovea)
    work = options.work or Path(f"{WORK}-foveated" if has_fovea else WORK)
    work.mkdir(parents=True, exist_ok=True)
    _print_reference(options, is_trained, DENSE_FOVEATED if has_fovea else DENSE)
    networks = () if has_fovea else tuple(options.networks)
    earlier = _weights_without_fovea(options) if has_fovea else None
    stages = Stages(work, weights, sizes, options.workers, options.threads, networks, earlier)
    results = _earlier(work)
    results |= {"sizes": asdict(sizes), "weights_are_trained": is_trained, "pyscenedetect": has_pyscenedetect()}
    if "collect" in options.stages and not has_fovea:
        stages.collect()
    if "train" in options.stages and not has_fovea:
        results["training"] = stages.train()
    if "evaluate" in options.stages:
        results["driving"] = stages.evaluate()
    if "hazards" in options.stages:
        results["hazards"] = stages.hazards(is_trained or options.quick)
    if "recordings" in options.stages and not has_fovea:
        results["recordings"] = stages.recordings(options.recordings)
    if options.closed_loop:
        results["closed_loop"] = stages.closed_loop(options.closed_loop)
    metrics = foveated_metrics(results) if has_fovea else final_metrics(results)
    results["figures"] = metrics
    write_text(work / "results.json", json.dumps(results, indent=1) + "\n")
    print(f"written  {work}/results.json")
    drives = results.get("driving", {}).get("drives", 0)
    finish("rate_distortion", metrics, drives, f"simulated drives of {sizes.drive_s:g} s at {WIDTH_PX}x{HEIGHT_PX}")


def _earlier(work: Path) -> dict[str, Any]:
    """Results of stages that ran in this folder before; a stage that runs again replaces its own."""
    path = work / "results.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def _print_reference(options: argparse.Namespace, is_trained: bool, dense: Budget) -> None:
    what = (
        f"every camera at {dense.base_width_px}x{dense.base_height_px} plus the patches of B100, fine-tuned from the "
        "same weights on the same moments"
        if dense is DENSE
        else f"the same weights with {dense.patch_count} patches, more than they were trained with"
    )
    print(
        f"reference: the dense network, {what} ({dense.input_bytes / 1e6:.2f} MB per tick, R_px {dense.r_px:.1f}). The "
        f"simulator draws {WIDTH_PX}x{HEIGHT_PX}; ratios R_px are relative to 8 x 1280x960."
    )
    if not is_trained:
        print("The weights are untrained: the driving errors below only show that the code runs.")
    cuts = "PySceneDetect" if has_pyscenedetect() else "our own detector (PySceneDetect is not installed)"
    print(f"scene cuts by {cuts}; {options.workers} processes\n", flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="python benchmarks/rate_distortion",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="use tiny sizes; needs no weights")
    parser.add_argument("--size", choices=sorted(SIZES), default="full", help="amount of data (default: %(default)s)")
    parser.add_argument(
        "--weights", type=Path, default=None, help="safetensors file of a trained B100 network, or of a foveated one"
    )
    parser.add_argument(
        "--earlier-weights",
        type=Path,
        default=None,
        metavar="FILE",
        help="B100 network that a foveated one is compared with; it needs one",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=None,
        help=f"folder for all results (default: {WORK}, with -quick for --quick or -foveated for a foveated network)",
    )
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES, help="run only these (default: all)")
    parser.add_argument(
        "--networks",
        nargs="+",
        default=(),
        choices=[plan.name for plan in network_plans()],
        help="collect for and fine-tune only these networks (default: all); --closed-loop needs b100 and dense",
    )
    parser.add_argument(
        "--closed-loop", type=int, default=0, metavar="ROUTES", help="drive this many routes of every scenario"
    )
    parser.add_argument(
        "--recordings",
        type=Path,
        default=Path(os.environ.get("FSD_RECORDINGS", "../shared/recordings")),
        help="folder of real recordings (default: %(default)s)",
    )
    parser.add_argument("--workers", type=int, default=2, help="processes that draw and plan (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads that train (default: %(default)s)")
    for name, kind, what in (
        ("training-drives", int, "number of training drives"),
        ("training-s", float, "seconds per training drive"),
        ("steps", int, "optimiser steps per network"),
        ("drives", int, "number of held-out drives"),
        ("drive-s", float, "seconds per held-out drive"),
        ("hazard-repeats", int, "hazard worlds of every kind and speed"),
        ("recording-ticks", int, "ticks of every recording"),
    ):
        parser.add_argument(f"--{name}", type=kind, default=None, help=f"{what} (default: as --size says)")
    options = parser.parse_args()
    if options.work is None and options.quick:
        options.work = Path(f"{WORK}-quick")
    if options.weights is None and not options.quick:
        parser.error("Name the weights of a trained B100 network with --weights, or use --quick, which needs none.")
    return options


def _weights_without_fovea(options: argparse.Namespace) -> Path:
    from fsd.networks.weights import read_header
    from rate_distortion.foveated import is_foveated

    path: Path | None = options.earlier_weights
    if path is None or is_foveated(read_header(path).config):
        raise SystemExit("Name a B100 network to compare the foveated one with: --earlier-weights FILE.")
    return path


def _sizes(options: argparse.Namespace, has_fovea: bool) -> Sizes:
    sizes = SIZES["quick" if options.quick else options.size]
    if has_fovea:
        sizes = replace(sizes, drives=sizes.foveated_drives, drive_s=sizes.foveated_drive_s)
    names = ("training_drives", "training_s", "steps", "drives", "drive_s", "hazard_repeats", "recording_ticks")
    return replace(sizes, **{name: value for name in names if (value := getattr(options, name)) is not None})


def _weights(options: argparse.Namespace) -> tuple[Path, "WeightsHeader"]:
    """The weights file to start from, and its header; `--quick` creates one if none is given."""
    from fsd.networks.config import SIZES as NETWORK_SIZES
    from fsd.networks.weights import read_header, save_weights, untrained

    path: Path = options.weights or options.work / "untrained.safetensors"
    if options.weights is None and not path.exists():
        options.work.mkdir(parents=True, exist_ok=True)
        save_weights(untrained(NETWORK_SIZES["uniform"]), path, trained=False)
    return path, read_header(path)
