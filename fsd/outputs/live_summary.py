"""The result of `fsd live`, printed with `--json`; docs/live.md describes it for people."""

from fsd.outputs.run_info import ModelInfo, RecordingRun, TimePercentiles


class LiveSummary(RecordingRun, frozen=True, kw_only=True, tag_field="command", tag="live"):
    """One run on live cameras.

    Attributes:
        network: starts with `trained` or `untrained`.
        skipped_ticks: ticks of the clock that were not planned, since the plan before was late.
        stalls: how often this program did not run for over 50 ms; stalled_ms: in all; longest_stall_ms: the longest.
        returns: camera -> how often it came back after it was away.
        plan_ms: from the frame set to the plan; age_ms: from the newest valid image of a tick to its plan. None without
            a tick, or a valid image.
        health: what plans were made without -> ticks.
    """

    schema_version: int = 1
    network: str
    model: ModelInfo
    skipped_ticks: int
    stalls: int
    stalled_ms: float
    longest_stall_ms: float
    returns: dict[str, int]
    plan_ms: TimePercentiles | None
    age_ms: TimePercentiles | None
    health: dict[str, int]
