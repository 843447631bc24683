"""Lines that `fsd replay` and `fsd compress` both print: what was read, what was assumed, and the ratios."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsd.outputs.budget_metrics import BudgetMetrics
    from fsd.outputs.run_info import ClipInfo, RecordingRun


def print_length(summary: "RecordingRun") -> None:
    """The first line: what was read, and how much of it."""
    print(f"{summary.clip.name}: {summary.ticks} ticks, {summary.drive_s:.1f} s of driving at 36 Hz")


def print_assumptions(clip: "ClipInfo") -> None:
    """What was missing, and what had to be assumed."""
    if clip.missing_cameras:
        print(f"  no video     {', '.join(clip.missing_cameras)}")
    if clip.decoder not in ("", "software"):
        print(f"  decoded by   {clip.decoder}")
    for note in clip.notes:
        if not note.startswith("No video for"):  # printed above
            print(f"  note         {note}")


def print_ratios(compression: "BudgetMetrics") -> None:
    """The three ratios, always together, and R_px of this recording beside that of the reference rig."""
    own = compression.r_px_of_this_recording
    print(
        f"  compression  {compression.budget}: R_px {compression.r_px}:1"
        f"{'' if own is None else f' ({own}:1 of this recording)'}, R_tok {compression.r_tok}:1, "
        f"R_mem {compression.r_mem_60s}:1 over 60 s (of {compression.reference})"
    )
