"""Result of `fsd export`. Needs PyTorch, as the export does."""

import msgspec

from fsd.export.parity import ParityReport
from fsd.export.sensitivity import Sensitivity
from fsd.export.speed import Speed
from fsd.meters.machine import MachineInfo
from fsd.outputs.summary_file import Summary


class FineTuning(msgspec.Struct, frozen=True, kw_only=True):
    """Of the rounded model before INT8: distance from the float plan, in the unit of the proof.

    Attributes:
        before, after: mean over ticks that were not trained on; before the first step, and with the kept weights.
        best_step: after which they were reached, of `steps`; ticks: trained on.
    """

    before: float
    after: float
    best_step: int
    steps: int
    ticks: int


class ExportSummary(Summary, frozen=True, kw_only=True, tag_field="command", tag="export"):
    """Files written, and how well they agree.

    Attributes:
        fp32: path; int8: path of the first INT8 file; files: name in the report -> path of every other file.
        passed: all tolerances hold; None without a proof, and then `parity` is None too.
        sensitivity: runtime -> effect of each layer.
        speed: of a third-party model's files on this machine, for each number of threads.
        fine_tuning: of a PyTorch model before INT8; None without `--qat`.
        machine: on which the proof was made.
    """

    schema_version: int = 1
    fp32: str
    int8: str | None
    files: dict[str, str]
    passed: bool | None
    parity: ParityReport | None
    sensitivity: dict[str, Sensitivity]
    speed: tuple[Speed, ...] = ()
    fine_tuning: FineTuning | None = None
    machine: MachineInfo
