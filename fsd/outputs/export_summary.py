"""Result of `fsd export`. Needs PyTorch, as the export does."""

from fsd.export.parity import ParityReport
from fsd.export.sensitivity import Sensitivity
from fsd.meters.machine import MachineInfo
from fsd.outputs.summary_file import Summary


class ExportSummary(Summary, frozen=True, kw_only=True, tag_field="command", tag="export"):
    """Files written, and how well they agree.

    Attributes:
        fp32: path; int8: path of the first INT8 file; files: name in the report -> path of every other file.
        passed: all tolerances hold; None without a proof, and then `parity` is None too.
        sensitivity: runtime -> effect of each layer.
        machine: on which the proof was made.
    """

    schema_version: int = 1
    fp32: str
    int8: str | None
    files: dict[str, str]
    passed: bool | None
    parity: ParityReport | None
    sensitivity: dict[str, Sensitivity]
    machine: MachineInfo
