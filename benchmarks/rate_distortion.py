"""What compression costs in driving: error against bytes a tick, for our profiles and for every baseline.

One command, in stages that keep their results in a work folder; a run that was stopped goes on where it was.

    python benchmarks/rate_distortion.py --weights weights.safetensors            # about three hours on two cores
    python benchmarks/rate_distortion.py --weights weights.safetensors --size medium
    python benchmarks/rate_distortion.py --quick                                  # the same path in under a minute
    python benchmarks/rate_distortion.py --weights … --closed-loop 5              # and 5 driven routes a scenario

Stages: `collect` draws drives to learn from; `train` fine-tunes one network for all policies and one for every other
base image; `evaluate` plans on held-out drives with every variant at once; `hazards` measures how soon a patch shows
somebody who becomes dangerous; `recordings` what is kept of real video; --closed-loop drives. docs/rate_distortion.md
says what is compared with what, and what it cannot tell.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _rd_closed_loop import closed_loop
from _rd_collect import CollectConfig, collect
from _rd_drives import HEIGHT_PX, WIDTH_PX
from _rd_evaluate import EvaluateConfig, evaluate, read_plans
from _rd_hazard_table import hazard_figures
from _rd_hazard_worlds import KINDS, SPEEDS_MPS
from _rd_hazards import BOUND_TICKS, HazardConfig, drive_hazards, read_records, watched_variants
from _rd_plot import draw
from _rd_recordings import CLIPS, measure_recordings
from _rd_report import driving_results, driving_table, hazard_table, headline, panels, recordings_table
from _rd_scene_cuts import has_pyscenedetect
from _rd_train import FineTuneConfig, fine_tune, weights_of
from _rd_variants import DENSE, all_variants, network_plans
from _report import finish
from tqdm import tqdm

from fsd.data.files import write_text

STAGES = ("collect", "train", "evaluate", "hazards", "recordings")


@dataclass(frozen=True)
class Sizes:
    """How much of everything: drives to learn from and their length, optimiser steps, held-out drives and theirs,
    hazard worlds of every kind and speed, ticks of every recording at which rates."""

    training_drives: int = 160
    training_s: float = 4.5
    steps: int = 700
    drives: int = 96
    drive_s: float = 6.5
    hazard_repeats: int = 3
    hazard_kinds: tuple[str, ...] = KINDS
    hazard_speeds_mps: tuple[float, ...] = SPEEDS_MPS
    hazard_ticks: int | None = None
    recording_ticks: int = 1500
    recording_rates: tuple[int, ...] = (1, 2, 3)
    clips: int = 10


SIZES = {
    "full": Sizes(),
    "medium": Sizes(160, 4.5, 300, 96, 5.0, 2, recording_ticks=400, recording_rates=(2,)),
    "quick": Sizes(2, 0.5, 2, 2, 0.3, 1, ("cut_in", "hard_brake"), (15.0,), 66, 12, (2,), clips=2),
}


def main() -> None:
    """Run the stages, print the tables, write the plot and the results."""
    options = _parse()
    sizes = _sizes(options)
    options.work.mkdir(parents=True, exist_ok=True)
    weights, is_trained = _weights(options)
    _print_ceiling(options, is_trained)
    run = _Run(options.work, weights, sizes, options.workers, options.threads, tuple(options.networks))
    results = _earlier(options.work)
    results |= {"sizes": asdict(sizes), "weights_are_trained": is_trained, "pyscenedetect": has_pyscenedetect()}
    if "collect" in options.stages:
        collect(run.collecting, options.workers, _bar("drives to learn from"))
    if "train" in options.stages:
        results["training"] = run.train()
    if "evaluate" in options.stages:
        results["driving"] = run.evaluate(options.work)
    if "hazards" in options.stages:
        results["hazards"] = run.hazards(is_trained or options.quick)
    if "recordings" in options.stages:
        results["recordings"] = run.recordings(options.recordings)
    if options.closed_loop:
        results["closed_loop"] = run.closed_loop(options.closed_loop)
    figures = headline(results)
    results["figures"] = figures
    write_text(options.work / "results.json", json.dumps(results, indent=1) + "\n")
    print(f"written  {options.work}/results.json")
    finish("rate_distortion", figures, results.get("driving", {}).get("drives", 0))


def _earlier(work: Path) -> dict[str, Any]:
    """Results of the stages that ran in this folder before; a stage that runs again replaces its own."""
    path = work / "results.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


@dataclass(frozen=True)
class _Run:
    """The stages, with where they keep what."""

    work: Path
    weights: Path
    sizes: Sizes
    workers: int
    threads: int
    networks: tuple[str, ...] = ()

    @property
    def collecting(self) -> CollectConfig:
        return CollectConfig(self.work / "episodes", self.sizes.training_drives, self.sizes.training_s, self.networks)

    @property
    def tuning(self) -> FineTuneConfig:
        return FineTuneConfig(
            self.work / "networks", self.weights, self.sizes.steps, self.threads, clips=self.sizes.clips
        )

    def train(self) -> dict[str, Any]:
        reports = {}
        for plan in network_plans(self.networks):
            steps = self.tuning.steps_of(plan.name)
            with tqdm(total=steps, desc=f"fine-tune {plan.name}", disable=None, file=sys.stderr) as bar:

                def show(step: int, report: dict[str, float], bar: Any = bar) -> None:
                    bar.update(step - bar.n)

                reports[plan.name] = fine_tune(self.tuning, plan, self.collecting, show)
            curve = ", ".join(
                f"{step}: {value:.3f} m" for step, value in reports[plan.name]["validation_ade_3s_m"].items()
            )
            print(f"fine-tuned {plan.name}: {steps} steps; ADE@3s of drives held out of the training, by step: {curve}")
        return reports

    def evaluate(self, out: Path) -> dict[str, Any]:
        variants = all_variants()
        weights = {variant.network: weights_of(self.tuning, variant.network) for variant in variants}
        config = EvaluateConfig(self.work / "plans", self.sizes.drives, self.sizes.drive_s, variants, weights)
        evaluate(config, self.workers, _bar("held-out drives"))
        found = driving_results(variants, read_plans(config))
        caption = (
            f"{found['drives']} simulated held-out drives, the expert driving; {found['ticks']} plans a variant. "
            f"Cameras drawn at {WIDTH_PX}x{HEIGHT_PX}, 9 Hz."
        )
        write_text(out / "rate_distortion.svg", draw(panels(variants, found), caption))
        print(f"\n{driving_table(found)}\nwritten  {out}/rate_distortion.svg\n")
        return found

    def hazards(self, with_network: bool) -> dict[str, Any]:
        config = HazardConfig(
            self.work / "hazards",
            self.sizes.hazard_repeats,
            kinds=self.sizes.hazard_kinds,
            speeds_mps=self.sizes.hazard_speeds_mps,
            weights=self.weights if with_network else None,
            max_ticks=self.sizes.hazard_ticks,
        )
        drive_hazards(config, self.workers, _bar("hazard drives"))
        records = read_records(config)
        policies = [variant.name for variant in watched_variants(config.budget, with_network)]
        found = {
            "drives": len(config.jobs),
            "hazards": len(records),
            "never_seen": sum(record["appears"] is None for record in records),
            "bound_ticks": BOUND_TICKS,
            "policies": {name: hazard_figures(records, name, BOUND_TICKS).to_dict() for name in policies},
        }
        print(
            f"{found['hazards']} hazards in {found['drives']} drives, 36 Hz; latency in ticks\n{hazard_table(found)}\n"
        )
        return found

    def recordings(self, folder: Path) -> dict[str, Any]:
        found = measure_recordings(
            folder, self.work / "recordings", self.sizes.recording_rates, self.sizes.recording_ticks
        )
        missing = [name for name in CLIPS if name not in found]
        print("real recordings: what is kept of them, no driving error (nothing to compare a plan with)")
        print(recordings_table(found) + (f"\nnot there: {', '.join(missing)}" if missing else "") + "\n")
        return found

    def closed_loop(self, routes: int) -> dict[str, Any]:
        weights = {
            "packaged": self.weights,
            "b100": weights_of(self.tuning, "b100"),
            "dense": weights_of(self.tuning, "dense"),
        }
        found = closed_loop(weights, self.work / "drive", routes, self.workers, _bar("driven routes"))
        for name, row in found["figures"].items():
            print(f"driven {name:<12} score {row['driving_score']:.3f}, {row['routes']} routes")
        for name, loss in found["score_loss"].items():
            print(f"{name}: {loss['loss']:+.1%} [{loss['low']:+.1%}, {loss['high']:+.1%}] of the dense score missing")
        return found


def _print_ceiling(options: argparse.Namespace, is_trained: bool) -> None:
    print(
        f"ceiling: the dense network, every camera whole at {DENSE.base_width_px}x{DENSE.base_height_px}, with the "
        f"patches of B100 ({DENSE.input_bytes / 1e6:.2f} MB a tick, R_px {DENSE.r_px:.1f}), fine-tuned from the same "
        f"weights on the same moments. The simulator drew {WIDTH_PX}x{HEIGHT_PX}; ratios R_px are against 8 x 1280x960."
    )
    if not is_trained:
        print("The weights are untrained: driving errors below say that the code runs, and nothing else.")
    cuts = "PySceneDetect" if has_pyscenedetect() else "our own detector (PySceneDetect is not installed)"
    print(f"scene cuts by {cuts}; {options.workers} processes\n", flush=True)


def _bar(title: str) -> Callable[[int, int], None]:
    bar = tqdm(desc=title, disable=None, file=sys.stderr)

    def show(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done == total:
            bar.close()

    return show


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, the same code path; needs no weights")
    parser.add_argument("--size", choices=sorted(SIZES), default="full", help="how much of everything (%(default)s)")
    parser.add_argument("--weights", type=Path, default=None, help="safetensors of a B100 network, to start from")
    parser.add_argument("--work", type=Path, default=None, help="keeps results (out/rate_distortion, or -quick)")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES, help="only these (all)")
    parser.add_argument(
        "--networks",
        nargs="+",
        default=(),
        choices=[plan.name for plan in network_plans()],
        help="collect for and fine-tune only these (all); --closed-loop needs b100 and dense",
    )
    parser.add_argument("--closed-loop", type=int, default=0, metavar="ROUTES", help="drive so many of every scenario")
    parser.add_argument(
        "--recordings",
        type=Path,
        default=Path(os.environ.get("FSD_RECORDINGS", "../shared/recordings")),
        help="folder of real recordings (%(default)s)",
    )
    parser.add_argument("--workers", type=int, default=2, help="processes that draw and plan (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads that train (%(default)s)")
    for name in ("training-drives", "steps", "drives", "hazard-repeats", "recording-ticks"):
        parser.add_argument(f"--{name}", type=int, default=None)
    for name in ("training-s", "drive-s"):
        parser.add_argument(f"--{name}", type=float, default=None)
    options = parser.parse_args()
    if options.work is None:
        options.work = Path("out/rate_distortion-quick" if options.quick else "out/rate_distortion")
    if options.weights is None and not options.quick:
        parser.error("Name the weights of a trained B100 network with --weights, or try --quick without any.")
    return options


def _sizes(options: argparse.Namespace) -> Sizes:
    sizes = SIZES["quick" if options.quick else options.size]
    names = ("training_drives", "training_s", "steps", "drives", "drive_s", "hazard_repeats", "recording_ticks")
    return replace(sizes, **{name: value for name in names if (value := getattr(options, name)) is not None})


def _weights(options: argparse.Namespace) -> tuple[Path, bool]:
    """The weights file to start from, and whether it was trained; `--quick` can make one."""
    from fsd.networks.config import NetworkConfig
    from fsd.networks.weights import read_header, save_weights, untrained

    path: Path = options.weights or options.work / "untrained.safetensors"
    if options.weights is None and not path.exists():
        save_weights(untrained(NetworkConfig()), path, trained=False)
    return path, bool(read_header(path).trained)


if __name__ == "__main__":
    main()
