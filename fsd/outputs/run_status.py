"""Report how a run stands: at its start, and at its end however it ends."""

from collections.abc import Callable
from typing import TypeVar

from fsd.outputs.run_info import Status

Report = TypeVar("Report")


def run_reported(run: Callable[[], None], report: Callable[[Status, BaseException | None], Report]) -> Report:
    """Report `running`, run, and report `complete`, `interrupted` or `failed` with its error.

    Returns:
        The report of the complete run.

    Raises:
        BaseException: that of `run`, also when its report fails.
    """
    report("running", None)
    try:
        run()
    except KeyboardInterrupt:
        report("interrupted", None)
        raise
    except BaseException as error:
        try:
            report("failed", error)
        except Exception as second:  # on a full disk nothing can be written; the first error is the one that matters
            error.add_note(f"The results could not be completed either: {second}")
        raise
    return report("complete", None)
