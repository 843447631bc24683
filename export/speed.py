"""How long one tick of each file takes on this machine, beside FP32.

Files run in turn, many times, and the shortest time of each counts: other programs only add time. One thread is timed
in processor time, which other programs hardly change; more threads in wall time.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fsd.export.onnx_runner import Clip, MakeFeeds, OnnxRunner, open_model
from fsd.export.parity import FP32

ROUNDS = 30
LONGEST_S = 20.0
"""Seconds after which a thread count is not measured further; at least three rounds are."""


@dataclass(frozen=True)
class Speed:
    """Of all files on one number of `threads`.

    Attributes:
        rounds: how often each file ran, in turn with the others.
        clock: `processor time` or `wall time`.
        shortest_ms: name in the report -> shortest time of a tick.
        over_fp32: name in the report -> FP32's shortest time over the file's: above 1 is faster.
    """

    threads: int
    rounds: int
    clock: str
    shortest_ms: dict[str, float]
    over_fp32: dict[str, float]

    @property
    def slower(self) -> tuple[str, ...]:
        """Files that take longer than FP32."""
        return tuple(name for name, ratio in self.over_fp32.items() if ratio < 1)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def measure_speed(
    files: Mapping[str, Path],
    make_feeds: MakeFeeds,
    clip: Clip,
    threads: tuple[int, ...] = (1, 2),
    rounds: int = ROUNDS,
) -> tuple[Speed, ...]:
    """Time one tick of every file, `onnx_fp32` among them, on the first step of a clip."""
    step = next(iter(clip))
    return tuple(_on(count, files, make_feeds, step, rounds) for count in threads)


def _on(threads: int, files: Mapping[str, Path], make_feeds: MakeFeeds, step: Any, rounds: int) -> Speed:
    runners = {name: OnnxRunner(open_model(path, threads=threads), make_feeds) for name, path in files.items()}
    for runner in runners.values():
        runner.step(step)  # once for warm-up, and to fill the state
        runner.feeds.load(step)
    shortest = dict.fromkeys(runners, float("inf"))
    clock = time.thread_time if threads == 1 else time.perf_counter
    begin, done = time.perf_counter(), 0
    while done < rounds and (done < 3 or time.perf_counter() - begin < LONGEST_S):
        for name, runner in runners.items():
            inputs = dict(runner.feeds.arrays)
            start = clock()
            runner.session.run(None, inputs)
            shortest[name] = min(shortest[name], clock() - start)
        done += 1
    milliseconds = {name: 1000 * seconds for name, seconds in shortest.items()}
    ratios = {name: milliseconds[FP32] / value for name, value in milliseconds.items() if name != FP32}
    return Speed(threads, done, "processor time" if threads == 1 else "wall time", milliseconds, ratios)
