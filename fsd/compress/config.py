"""Settings of `fsd compress`."""

import re
from dataclasses import dataclass
from pathlib import Path

from fsd.compression.budget import ALL_BUDGETS, DEFAULT_BUDGET, Budget
from fsd.compression.policy_names import POLICIES
from fsd.data.options import OptionError, option, results_folder
from fsd.data.recording_options import RecordingOptions
from fsd.data.result_record import SUMMARY_FILE

LOG_FILE = "compression_log.parquet"
"""Name of the table that a run writes."""

MOSAIC_FILE, PLAIN_MOSAIC_FILE = "mosaic.png", "mosaic_plain.png"
"""With the time since each block was read as a tint, and without any mark."""

RESULT_FILES = (
    LOG_FILE,
    LOG_FILE.replace(".parquet", ".arrows"),
    MOSAIC_FILE,
    PLAIN_MOSAIC_FILE,
    "compress.html",
    SUMMARY_FILE,
)
"""What a run writes."""

_CUSTOM_BUDGET = re.compile(r"(\d{1,6})x(\d{1,6})\+(\d{1,6})")


@dataclass(frozen=True, kw_only=True)
class CompressConfig(RecordingOptions):
    """Settings of a run of the compressor."""

    out: Path = results_folder("out/compress")
    budget: str = option(
        DEFAULT_BUDGET,
        f"pixels per tick that the compressor may keep: {', '.join(ALL_BUDGETS)}, or WIDTHxHEIGHT+PATCHES (size of "
        "each camera's base image in pixels, and number of patches)",
    )
    policy: str = option("adaptive", "how the compressor chooses patches; listed below", choices=tuple(POLICIES))
    mosaic_s: float | None = option(
        None,
        "time in the recording that mosaic.png shows",
        unit="s",
        at_least=0,
        flag="--mosaic-at",
        default_text="the middle",
    )
    use_ego: bool = option(True, "ignore the recorded ego motion and estimate it from the images", flag="--no-ego")

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_budget(self.budget)


def parse_budget(text: str) -> Budget:
    """A budget by its profile's name, or a custom one as WIDTHxHEIGHT+PATCHES.

    Raises:
        ValueError: neither, or a size that a budget cannot have.
    """
    if text in ALL_BUDGETS:
        return ALL_BUDGETS[text]
    custom = _CUSTOM_BUDGET.fullmatch(text)
    if custom is None:
        raise OptionError(
            "budget", f"must be one of {', '.join(ALL_BUDGETS)}, or WIDTHxHEIGHT+PATCHES such as 80x60+58; got {text!r}"
        )
    width, height, patches = (int(number) for number in custom.groups())
    try:
        return Budget(text, height, width, patches)
    except ValueError as error:
        raise OptionError("budget", f"is {text!r}: {error}") from error
