"""Write how a run stands into its folder: at its start, and at its end however it ends."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from fsd.data.files import full_disk_error
from fsd.data.result_folder import ResultFolder, error_for_user
from fsd.outputs.run_info import ReportedRun, Status
from fsd.outputs.summary_file import write_summary

Run = TypeVar("Run", bound=ReportedRun)


def run_reported(
    folder: ResultFolder,
    run: Callable[[], None],
    summarise: Callable[[Status, BaseException | None], Run],
    write_page: Callable[[Run], None],
) -> Run:
    """Write a summary `running`, run, and write the page and the summary: `complete`, `interrupted` or `failed`.

    Args:
        folder: of the run; summarise: the summary so far; write_page: of a run that has ended.

    Returns:
        The summary of the complete run.

    Raises:
        BaseException: that of `run`, also when its report fails; `OutputError` where the disk was full.
    """

    def write(status: Status, error: BaseException | None = None) -> Run:
        summary = msgspec.structs.replace(summarise(status, error), earlier_results=folder.earlier)
        write_summary(folder.path, summary)
        return summary

    try:
        write("running")
        run()
        # The page first: a run is complete when all of its files are there.
        summary = msgspec.structs.replace(summarise("complete", None), earlier_results=folder.kept)
        write_page(summary)
        folder.free_summary()
        write_summary(folder.path, summary)
        return summary
    except BaseException as raised:
        error = error_for_user(raised, folder.path)
        folder.free_summary()
        try:
            write_page(write("interrupted") if isinstance(raised, KeyboardInterrupt) else write("failed", error))
        except Exception as second:  # the first error is the one that matters; a full disk explains both
            if full_disk_error(second) is None:
                error.add_note(f"The results could not be completed either: {second}.")
        if error is raised:
            raise
        raise error from raised
