"""The stages of the benchmark: each runs, prints its table, and returns its part of `results.json`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from fsd.compression.budget import FOVEATED_BUDGETS, Budget
from fsd.data.files import write_text
from rate_distortion.closed_loop import closed_loop
from rate_distortion.collect import CollectConfig, collect
from rate_distortion.drives import HEIGHT_PX, WIDTH_PX
from rate_distortion.evaluate import EvaluateConfig, evaluate, read_plans
from rate_distortion.foveated import (
    DENSE_FOVEATED,
    EARLIER,
    at_budget,
    foveated_hazard_variants,
    foveated_variants,
    half_widths,
)
from rate_distortion.hazard_metrics import hazard_metrics
from rate_distortion.hazards import BOUND_TICKS, HazardConfig, drive_hazards, hazard_variants, read_records
from rate_distortion.plot import draw
from rate_distortion.recordings import CLIPS, measure_recordings
from rate_distortion.report import driving_results, driving_table, hazard_table, panels, recordings_table
from rate_distortion.sizes import Sizes
from rate_distortion.train import FineTuneConfig, fine_tune, weights_of
from rate_distortion.variants import all_variants, network_plans
from rate_distortion.worker_pool import ProgressCallback


@dataclass(frozen=True)
class Stages:
    """All stages with their shared settings.

    `networks` limits `collect` and `train` to these (empty: all). `earlier`: weights of a network without a fovea; with
    them, `weights` are of a foveated network, for which nothing is collected and trained.
    """

    work: Path
    weights: Path
    sizes: Sizes
    workers: int
    threads: int
    networks: tuple[str, ...] = ()
    earlier: Path | None = None

    @property
    def _collect_config(self) -> CollectConfig:
        return CollectConfig(self.work / "episodes", self.sizes.training_drives, self.sizes.training_s, self.networks)

    @property
    def _tune_config(self) -> FineTuneConfig:
        return FineTuneConfig(
            self.work / "networks", self.weights, self.sizes.steps, self.threads, clips=self.sizes.clips
        )

    def collect(self) -> None:
        """Record the training drives."""
        collect(self._collect_config, self.workers, _bar("training drives"))

    def train(self) -> dict[str, Any]:
        """Fine-tune the networks; the report of each by name."""
        config, reports = self._tune_config, {}
        for plan in network_plans(self.networks):
            steps = config.steps_of(plan.name)
            with tqdm(total=steps, desc=f"fine-tune {plan.name}", disable=None, file=sys.stderr) as bar:

                def show(step: int, report: dict[str, float], bar: Any = bar) -> None:
                    bar.update(step - bar.n)

                report = reports[plan.name] = fine_tune(config, plan, self._collect_config, show)
            curve = ", ".join(f"{step}: {value:.3f} m" for step, value in report["validation_ade_3s_m"].items())
            print(f"fine-tuned {plan.name}: {steps} steps; validation ADE@3s by step: {curve}")
        return reports

    def evaluate(self) -> dict[str, Any]:
        """Plan on the held-out drives; write the plot and return the errors."""
        variants = all_variants() if self.earlier is None else foveated_variants()
        weights = {variant.network: weights_of(self._tune_config, variant.network) for variant in variants}
        if self.earlier is not None:
            weights[EARLIER] = self.earlier
        config = EvaluateConfig(self.work / "plans", self.sizes.drives, self.sizes.drive_s, variants, weights)
        evaluate(config, self.workers, _bar("held-out drives"))
        found = driving_results(variants, read_plans(config))
        caption = (
            f"{found['drives']} simulated held-out drives, the expert drives; {found['ticks']} plans per variant. "
            f"Cameras drawn at {WIDTH_PX}x{HEIGHT_PX}, 9 Hz."
        )
        plot = self.work / "rate_distortion.svg"
        write_text(plot, draw(panels(variants, found), caption))
        print(f"\n{driving_table(found)}\nwritten  {plot}\n")
        if self.earlier is not None:
            print(f"{half_widths(found)}\n")
        return found

    def hazards(self, with_network: bool) -> dict[str, Any]:
        """Drive the hazard worlds; latency and recall of every policy."""
        variants = hazard_variants(with_network) if self.earlier is None else foveated_hazard_variants(with_network)
        config = HazardConfig(
            self.work / "hazards",
            self.sizes.hazard_repeats,
            tuple(variants),
            {each.name: self._weights_at(each.budget) for each in variants if each.feeds_back},
            kinds=self.sizes.hazard_kinds,
            speeds_mps=self.sizes.hazard_speeds_mps,
            max_ticks=self.sizes.hazard_ticks,
        )
        drive_hazards(config, self.workers, _bar("hazard drives"))
        records = read_records(config)
        found = {
            "drives": len(config.jobs),
            "hazards": len(records),
            "never_seen": sum(record["appears"] is None for record in records),
            "bound_ticks": BOUND_TICKS,
            "policies": {each.name: hazard_metrics(records, each.name, BOUND_TICKS).to_dict() for each in variants},
        }
        print(
            f"{found['hazards']} hazards in {found['drives']} drives, 36 Hz; latency in ticks\n{hazard_table(found)}\n"
        )
        return found

    def recordings(self, folder: Path) -> dict[str, Any]:
        """Measure the real recordings in a folder."""
        found = measure_recordings(
            folder, self.work / "recordings", self.sizes.recording_rates, self.sizes.recording_ticks
        )
        missing = [name for name in CLIPS if name not in found]
        print("real recordings: what is kept of them; no driving error, because there are no plans to compare with")
        print(recordings_table(found) + (f"\nnot found in {folder}: {', '.join(missing)}" if missing else "") + "\n")
        return found

    def closed_loop(self, routes: int) -> dict[str, Any]:
        """Drive `routes` of every scenario with the dense network, the expert and the networks compared with them.

        These are B100 and the given weights; with foveated weights, the budgets of 100:1 and 200:1.
        """
        if self.earlier is None:
            weights = {
                "packaged": self.weights,
                "b100": weights_of(self._tune_config, "b100"),
                "dense": weights_of(self._tune_config, "dense"),
            }
        else:
            budgets = (FOVEATED_BUDGETS["F200"], FOVEATED_BUDGETS["F100"], DENSE_FOVEATED)
            weights = {budget.name: self._weights_at(budget) for budget in budgets}
        found = closed_loop(weights, self.work / "drive", routes, self.workers, _bar("driven routes"))
        for name, row in found["metrics"].items():
            print(f"driven {name:<12} score {row['driving_score']:.3f}, {row['routes']} routes")
        for name, loss in found["score_loss"].items():
            print(f"{name}: {loss['loss']:+.1%} [{loss['low']:+.1%}, {loss['high']:+.1%}] below the dense score")
        return found

    def _weights_at(self, budget: Budget) -> Path:
        return self.weights if self.earlier is None else at_budget(self.weights, budget, self.work / "budgets")


def _bar(title: str) -> ProgressCallback:
    bar = tqdm(desc=title, disable=None, file=sys.stderr)

    def show(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done == total:
            bar.close()

    return show
