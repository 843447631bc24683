"""`summary.json` of `fsd profile`; docs/profile.md describes the fields for people."""

from typing import Literal

import msgspec

from fsd.meters.machine import MachineInfo
from fsd.meters.machine_load import MachineLoad
from fsd.meters.quantity import Quantity
from fsd.outputs.cross_check_summary import CrossCheckSummary
from fsd.outputs.profile_scenario import ScenarioSummary
from fsd.outputs.run_info import ClipInfo, ModelInfo, Status
from fsd.outputs.summary_file import Summary

Fits = Literal["yes", "no", "open"]
Setting = bool | int | float | str | tuple[str, ...] | None


class ProfiledModelInfo(ModelInfo, frozen=True, kw_only=True):
    """The model under test.

    Attributes:
        budget: of our models. adapter: name of a third-party model's adapter; inputs, state_pairs: of such a model.
    """

    budget: str | None = None
    file_bytes: int
    adapter: str | None = None
    inputs: str | None = None
    state_pairs: int | None = None


class MachinePeaks(msgspec.Struct, frozen=True, kw_only=True):
    """The roofline of this machine with `threads` threads; the best of several runs each.

    Attributes:
        copy_gb_s: bytes read plus bytes written per second, in 1e9.
        fp32_gmac_s, int8_gmac_s: multiply-accumulates per second, in 1e9.
        fp32_kernel, int8_kernel: operator that reached it.
        load: who used the processor meanwhile.
    """

    threads: int
    copy_gb_s: float
    fp32_gmac_s: float
    int8_gmac_s: float
    fp32_kernel: str
    int8_kernel: str
    load: MachineLoad | None = None

    @property
    def caveat(self) -> str:
        """`; NOT VALID: …` where the peaks are only lower bounds."""
        return f"; {self.load.verdict}: lower bounds" if self.load is not None and self.load.is_valid is False else ""

    def rates(self) -> dict[str, float]:
        """The three rates by name, to find out how much the machine's speed changed between two runs."""
        return {"copy_gb_s": self.copy_gb_s, "fp32_gmac_s": self.fp32_gmac_s, "int8_gmac_s": self.int8_gmac_s}


class ColdStart(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds of a fresh process to its first plan: `process` = `imports` + `load` + `first_tick`."""

    process: float
    imports: float
    load: float
    first_tick: float


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """Device that was asked for, and execution provider -> operators that it ran."""

    device: str
    operators: dict[str, int]


class NetworkCostSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Cost of one tick, and the rate reached.

    Attributes:
        macs: multiply-accumulates, int8_macs + float_macs; bytes: moved if nothing stays in a cache.
        operator_ms: sum of the operators' median times; gmac_s: 1e9 multiply-accumulates per second of it.
        share_of_peak: of the measured roofline; None where its peaks are not known.
    """

    macs: int
    int8_macs: int
    float_macs: int
    bytes: int
    operators: int
    macs_per_byte: float
    operator_ms: float
    gmac_s: float
    share_of_peak: float | None


class ModuleSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Time and 1e6 multiply-accumulates of one module of the network."""

    module: str
    ms: float
    share: float
    mmacs: float


class OperatorSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One operator.

    Attributes:
        module: of the network, from the node's name (`retina.trunk.0`).
        median_us: over the profiled runs; share: of the time of all operators.
        peak_share: time on the roofline over measured time, 1 at best; above 1 if the operands were in a cache. None
            without multiplications, or without measured peaks.
    """

    name: str
    kind: str
    module: str
    macs: int
    bytes: int
    is_int8: bool
    median_us: float
    share: float
    peak_share: float | None


class DeviceEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """The estimate for one device and one network.

    Attributes:
        device, title, covers, confidence, source: of devices.json.
        infer_ms: of one tick. joules_per_tick, watts: at `rate_hz`.
        in_time, in_power: whether it fits; None without a limit. fits: both.
        max_rate_hz: highest rate that fits both limits with the pessimistic assumptions; 0 if none does.
    """

    device: str
    title: str
    covers: str
    confidence: str
    source: str
    network: str
    rate_hz: float
    infer_ms: Quantity
    joules_per_tick: Quantity
    watts: Quantity
    in_time: Fits
    in_power: Fits | None
    fits: Fits
    max_rate_hz: float


class LargestBudget(msgspec.Struct, frozen=True, kw_only=True):
    """The largest budget that fits a device (`as it is`: a model without budgets), and its highest rate."""

    budget: str
    max_rate_hz: float
    tag: Literal["modelled"] = "modelled"


class MeterValidation(msgspec.Struct, frozen=True, kw_only=True):
    """Measured watts of the paced run against the modelled range of the same device."""

    meter: str
    hardware: str
    device: str
    measured_w: float
    modelled_low_w: float
    modelled_high_w: float
    agrees: bool


class MetersFound(msgspec.Struct, frozen=True, kw_only=True):
    """Names of the energy meters of this machine, and why others are missing."""

    found: tuple[str, ...]
    missing: tuple[str, ...]


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """One limit that was asked for.

    Attributes:
        is_met: None where only a model says that it would be.
        fits: what that model says; None for a measured limit.
        because: a sentence for people, with the tag of every number in it.
    """

    name: str
    limit: float
    is_met: bool | None
    fits: Fits | None = None
    because: str

    @property
    def outcome(self) -> str:
        """`met` and `NOT MET` are for measured limits only."""
        if self.fits is None:
            return "met" if self.is_met else "NOT MET"
        words = {"yes": "would fit by the model", "no": "would NOT fit by the model", "open": "open by the model"}
        return words[self.fits]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a profile in a line.

    Attributes:
        is_valid: is_measurement and in_time.
        is_measurement: as `MachineLoad.is_valid`, over all scenarios.
        in_time: no more misses than the tail percentile that the samples support allows; False without one.
    """

    is_valid: bool
    is_measurement: bool | None
    in_time: bool
    text: str


class ProfileSummary(Summary, frozen=True, kw_only=True, tag_field="command", tag="profile"):
    """One profile.

    Attributes:
        verdict: in a line; None in files of earlier versions.
        config: settings without paths.
        network: starts with `trained` or `untrained` for our networks.
        cross_check: over the ticks of all scenarios, warm-up included; None without a second network.
        peaks: of this machine's CPU. largest_that_fits: device -> budget, None if nothing fits.
        assumptions: ranges of the device model.
    """

    schema_version: int = 3  # 1 and 2 were `schema`
    status: Status
    started_unix_s: float
    machine: MachineInfo
    config: dict[str, Setting]
    clip: ClipInfo
    model: ProfiledModelInfo
    network: str
    peaks: MachinePeaks
    cold_start_ms: ColdStart
    scenarios: dict[str, ScenarioSummary]
    cross_check: CrossCheckSummary | None = None
    execution: Execution
    network_cost: NetworkCostSummary
    modules: tuple[ModuleSummary, ...]
    operators: tuple[OperatorSummary, ...]
    devices: tuple[DeviceEstimate, ...]
    assumptions: str
    largest_that_fits: dict[str, LargestBudget | None]
    validation: tuple[MeterValidation, ...]
    meters: MetersFound
    gates: tuple[Gate, ...]
    verdict: Verdict | None = None
