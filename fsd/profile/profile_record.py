"""Summarises what a profile measured and writes all of its files; the same for the whole path and for a model alone."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from fsd.meters.machine import describe_machine
from fsd.meters.power import EnergyMeter, find_meters
from fsd.networks.devices import CPU_DEVICES
from fsd.networks.network_cost import NetworkCost
from fsd.outputs.profile_summary import (
    ColdStart,
    Execution,
    MachinePeaks,
    MetersFound,
    ProfiledModelInfo,
    ProfileSummary,
    Setting,
)
from fsd.outputs.run_info import ClipInfo
from fsd.outputs.summary_file import write_summary
from fsd.profile.config import ProfileConfig
from fsd.profile.energy.energy_model import Assumptions
from fsd.profile.gates import judge
from fsd.profile.operators.machine_peaks import measure_peaks
from fsd.profile.operators.network_metrics import cost_on_roofline, estimate_all, highest_rates, largest_that_fits
from fsd.profile.operators.operator_times import by_module, providers_of, time_operators
from fsd.profile.operators.runtime_trace import OperatorEvent
from fsd.profile.report import write_report
from fsd.profile.scenarios.machine_stalls import MachineStalls
from fsd.profile.scenarios.runs import ScenarioRun
from fsd.profile.scenarios.samples import write_samples
from fsd.profile.scenarios.summary import PACED, summarise
from fsd.profile.trace import ChromeTrace
from fsd.profile.validation import validate


@dataclass
class Machine:
    """The machine before the run: its own peaks and its energy meters, measured when this is made."""

    threads: int
    started_s: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self.peaks: MachinePeaks = measure_peaks(self.threads)
        self.meters: list[EnergyMeter]
        self.meters, self.missing_meters = find_meters()


@dataclass(frozen=True)
class ProfileRecord:
    """Everything that was measured.

    Attributes:
        settings: for the summary; network: whether it is trained.
        is_one_size: the network has no other budget profiles.
        stalls: of the machine around the paced run; None if not measured.
        cost: of one tick; operator_runs: traced.
    """

    machine: Machine
    settings: Mapping[str, Setting]
    clip: ClipInfo
    model: ProfiledModelInfo
    network: str
    is_one_size: bool
    cold_start: ColdStart
    runs: Sequence[ScenarioRun]
    stalls: MachineStalls | None
    cost: NetworkCost
    operator_runs: Sequence[Sequence[OperatorEvent]]
    trace: ChromeTrace

    def write(self, config: ProfileConfig) -> ProfileSummary:
        """Write `summary.json`, `samples.parquet`, `trace.json` and `report.html` to `config.out`."""
        summary = self.summary(config)
        samples = {run.name: run.samples for run in self.runs}
        write_samples(config.out / "samples.parquet", samples)
        self.trace.write(config.out / "trace.json")
        write_summary(config.out, summary)
        write_report(config.out / "report.html", msgspec.to_builtins(summary), samples)
        return summary

    def summary(self, config: ProfileConfig) -> ProfileSummary:
        """The content of `summary.json`."""
        peaks, meters = self.machine.peaks, self.machine.meters
        cpu_peaks = peaks if config.device in CPU_DEVICES else None  # a network elsewhere is not compared with them
        operators = time_operators(self.cost, self.operator_runs, cpu_peaks)
        estimates = estimate_all(self.cost, config.limit_ms, config.budget_watts)
        scenarios = {run.name: summarise(run, config.limit_ms, self.stalls) for run in self.runs}
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
            execution=Execution(device=config.device, operators=providers_of(self.operator_runs)),
            network_cost=cost_on_roofline(self.cost, cpu_peaks, operators),
            modules=by_module(operators),
            operators=tuple(each.summary() for each in operators),
            devices=estimates,
            assumptions=str(Assumptions()),
            largest_that_fits=highest_rates(estimates)
            if self.is_one_size
            else largest_that_fits(config.limit_ms, config.budget_watts),
            # Only the paced run can be compared with the model, which is for 36 Hz.
            validation=validate(config.device, meters, scenarios[PACED].energy, estimates)
            if PACED in scenarios
            else (),
            meters=MetersFound(found=tuple(meter.name for meter in meters), missing=tuple(self.machine.missing_meters)),
            gates=judge(config, scenarios, estimates),
        )
