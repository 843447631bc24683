"""Summarise the measurements of a profile and write its files, for a recording and for a model alone."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from fsd.data.result_folder import ResultFolder, result_folder
from fsd.data.result_record import SUMMARY_FILE
from fsd.meters.machine import describe_machine
from fsd.meters.power import find_meters
from fsd.networks.contract import TensorSpec
from fsd.networks.devices import CPU_DEVICES
from fsd.networks.network_cost import NetworkCost
from fsd.outputs.cross_check_summary import CrossCheckSummary
from fsd.outputs.disk_space import profile_bytes, warn_if_short
from fsd.outputs.profile_scenario import MachineStallSummary
from fsd.outputs.profile_summary import ColdStart, Execution, MetersFound, ProfiledModelInfo, ProfileSummary, Setting
from fsd.outputs.run_info import ClipInfo
from fsd.outputs.summary_file import write_summary
from fsd.profile.config import PACED, ProfileConfig
from fsd.profile.energy.energy_model import Assumptions, estimate_all, if_it_fits, largest_that_fits
from fsd.profile.energy.validation import validate
from fsd.profile.gates import judge, verdict
from fsd.profile.operators.machine_peaks import measure_peaks
from fsd.profile.operators.operator_times import by_module, cost_on_roofline, providers_of, time_operators
from fsd.profile.operators.runtime_trace import OperatorEvent
from fsd.profile.report import write_report
from fsd.profile.scenarios.runs import ScenarioRun
from fsd.profile.scenarios.samples import write_samples
from fsd.profile.scenarios.summary import summarise
from fsd.profile.trace import ChromeTrace

RESULT_FILES = (SUMMARY_FILE, "samples.parquet", "trace.json", "report.html")


class Machine:
    """The machine before the run: its peaks and its energy meters, measured by the constructor."""

    def __init__(self, threads: int) -> None:
        self.started_s = time.time()
        self.peaks = measure_peaks(threads)
        self.meters, self.missing_meters = find_meters()


@dataclass(frozen=True)
class ProfileRecord:
    """All measurements of a profile.

    Attributes:
        settings: for the summary; network: whether it is trained.
        is_one_size: the network has no other budget profiles.
        stalls: of the machine around the paced run; None if not measured.
        cost: of one tick; operator_runs: traced operators per run.
        cross_check: None without a second network.
    """

    machine: Machine
    settings: Mapping[str, Setting]
    clip: ClipInfo
    model: ProfiledModelInfo
    network: str
    is_one_size: bool
    cold_start: ColdStart
    runs: Sequence[ScenarioRun]
    stalls: MachineStallSummary | None
    cost: NetworkCost
    operator_runs: Sequence[Sequence[OperatorEvent]]
    trace: ChromeTrace
    cross_check: CrossCheckSummary | None = None

    def write(self, config: ProfileConfig, folder: ResultFolder) -> ProfileSummary:
        """Write `RESULT_FILES` to `config.out`, which `folder` holds."""
        summary = self._summary(config)
        folder.set_aside()
        samples = {run.name: run.samples for run in self.runs}
        try:
            write_samples(config.out / "samples.parquet", samples)
            self.trace.write(config.out / "trace.json")
            write_report(config.out / "report.html", summary, samples)
        except OSError:
            folder.free_summary()
            write_summary(config.out, msgspec.structs.replace(summary, status="failed"))
            raise
        folder.free_summary()
        write_summary(config.out, summary)
        return summary

    def _summary(self, config: ProfileConfig) -> ProfileSummary:
        peaks, meters = self.machine.peaks, self.machine.meters
        cpu_peaks = peaks if config.device in CPU_DEVICES else None  # those of other devices are unknown
        operators = time_operators(self.cost, self.operator_runs, cpu_peaks)
        estimates = estimate_all(self.cost, config.limit_ms, config.budget_watts)
        scenarios = {run.name: summarise(run, config.limit_ms, self.stalls, config.device) for run in self.runs}
        return ProfileSummary(
            status="interrupted" if any(run.was_interrupted for run in self.runs) else "complete",
            started_unix_s=round(self.machine.started_s, 3),
            machine=describe_machine(),
            config=dict(self.settings),
            clip=self.clip,
            model=self.model,
            network=self.network,
            peaks=peaks,
            cold_start_ms=self.cold_start,
            scenarios=scenarios,
            cross_check=self.cross_check,
            execution=Execution(device=config.device, operators=providers_of(self.operator_runs)),
            network_cost=cost_on_roofline(self.cost, cpu_peaks, operators),
            modules=by_module(operators),
            operators=operators,
            devices=estimates,
            assumptions=str(Assumptions()),
            largest_that_fits={each.device: if_it_fits("as it is", each) for each in estimates}
            if self.is_one_size
            else largest_that_fits(config.limit_ms, config.budget_watts),
            # The model is for 36 Hz, the rate of the paced run.
            validation=validate(config.device, meters, scenarios[PACED].energy, estimates)
            if PACED in scenarios
            else (),
            meters=MetersFound(found=tuple(meter.name for meter in meters), missing=tuple(self.machine.missing_meters)),
            gates=judge(config, scenarios, estimates, self.cross_check),
            verdict=verdict(scenarios),
        )


@contextmanager
def profile_folder(config: ProfileConfig, inputs: Iterable[Path]) -> Iterator[ResultFolder]:
    """The folder of a profile that reads these files."""
    with result_folder(config.out, "profile", RESULT_FILES, inputs) as folder:
        sampled_ticks = len(config.scenarios) * config.ticks + config.paced_ticks
        warn_if_short(config.out, profile_bytes(sampled_ticks, config.trace_ticks))
        yield folder


def describe_inputs(inputs: Mapping[str, TensorSpec | np.ndarray]) -> str:
    """Names, types and shapes of a network's inputs."""
    return ", ".join(f"{name} {each.dtype}{list(each.shape)}" for name, each in inputs.items())
