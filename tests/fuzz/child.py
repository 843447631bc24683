"""The process in which a target runs: makes inputs, reads each, and sends one line of JSON per input to its parent.

The files of the present input lie in `--work`, so that the parent has them when this process hangs or dies. Inputs are
made by mutation alone (`--first` and `--seed` decide them), or guided by coverage where atheris is installed.
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import sys
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from tests.fuzz import bundle as bundles
from tests.fuzz.bundle import Bundle
from tests.fuzz.mutate import mutated

if TYPE_CHECKING:
    from tests.fuzz.targets import Target

MEMORY_BYTES = 2 * 1024**3
"""A child may map this much beyond what it has mapped before its first input."""

SEND_S = 0.2

RESIDENT_BYTES = 1024**3
"""An input that needs more memory than this is a finding."""

RIGHT_CODES = range(2, 7)
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """What became of an input (`accepted`, `refused`, `traceback`, `wrong`, `memory`), why, and what tells it apart."""

    kind: str
    detail: str = ""
    signature: str = ""


def outcome_of(target: "Target", folder: Path) -> Outcome:
    """Read a folder, and check what was understood."""
    from fsd.data.errors import FsdError

    try:
        result = target.read(folder)
    except FsdError as error:
        if error.exit_code in RIGHT_CODES:
            return Outcome("refused", f"{type(error).__name__}: {error}")
        return Outcome("traceback", traceback.format_exc(), f"exit code {error.exit_code}")
    except MemoryError as error:
        return Outcome("memory", traceback.format_exc(), f"memory at {_place(error)}")
    except (Exception, SystemExit) as error:
        return Outcome("traceback", traceback.format_exc(), f"{type(error).__name__} at {_place(error)}")
    try:
        target.check(folder, result)
    except AssertionError as error:
        return Outcome(
            "wrong", str(error) or traceback.format_exc(), "".join(c for c in str(error) if c.isalpha())[:60]
        )
    except MemoryError as error:
        return Outcome("memory", traceback.format_exc(), f"memory at {_place(error)}")
    except Exception as error:
        return Outcome(
            "wrong", "a plain reader fails: " + traceback.format_exc(), f"{type(error).__name__} in the check"
        )
    return Outcome("accepted")


def _place(error: BaseException) -> str:
    """The innermost line of the program's own files in a traceback."""
    own = [
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if "/fsd/" in frame.filename or (str(ROOT) in frame.filename and "/tests/" not in frame.filename)
    ]
    return own[-1] if own else "nowhere of ours"


class Worker:
    """Runs inputs of one target, one after the other."""

    def __init__(self, target: "Target", work: Path, report: int, says_why: bool) -> None:
        self._target, self._work, self._report, self._says_why = target, work, report, says_why
        self._baseline_bytes = _resident_bytes()
        self._unsent, self._sent_s = b"", 0.0

    def send(self, at_once: bool = True, **values: Any) -> None:
        """Send a line; ordinary ones wait for `SEND_S`, so that the parent is not woken for every input."""
        self._unsent += json.dumps(values).encode() + b"\n"
        if at_once or time.monotonic() - self._sent_s > SEND_S:
            self.flush()

    def flush(self) -> None:
        os.write(self._report, self._unsent)
        self._unsent, self._sent_s = b"", time.monotonic()

    def begin(self) -> None:
        """Read a good input once, so that everything is loaded and compiled, and set the limits."""
        good = self._load(bundles.seeds(self._target.corpus)[0])
        first = outcome_of(self._target, good)
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if _has_proc() else 0
        if mapped:
            resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY_BYTES, resource.RLIM_INFINITY))
        self._baseline_bytes = _resident_bytes()
        self.send(ready=first.kind, detail=first.detail)

    def run(self, made: Bundle, number: int) -> None:
        """Read one input and report what became of it."""
        folder = self._load(made)
        start_s = time.perf_counter()
        outcome = outcome_of(self._target, folder)
        grown = _resident_bytes() - self._baseline_bytes
        if grown > RESIDENT_BYTES and outcome.kind in ("accepted", "refused"):
            outcome = Outcome("memory", f"{grown / 1e6:.0f} MB for one input", "resident memory")
        is_right = outcome.kind in ("accepted", "refused")
        if is_right:
            outcome = Outcome(outcome.kind, outcome.detail if self._says_why else "")
        else:  # the next input replaces the files before the parent reads them
            bundles.write_files(made, self._work.with_name("found") / str(number))
        seconds = round(time.perf_counter() - start_s, 3)
        at_once = not is_right or self._says_why or seconds > SEND_S
        self.send(at_once, number=number, seconds=seconds, **asdict(outcome))
        if grown > RESIDENT_BYTES:
            os._exit(0)  # the next child begins with less

    def _load(self, made: Bundle) -> Path:
        shutil.rmtree(self._work, ignore_errors=True)
        folder = self._work / "clip"  # a name that no format gives a meaning
        folder.mkdir(parents=True)
        bundles.write_files(made, folder)
        return folder


def run_random(worker: Worker, target: "Target", seed: int, first: int, until_s: float) -> None:
    """Inputs number `first` and after; each depends on the seed, the target and its number alone."""
    seeds = bundles.seeds(target.corpus)
    number = first
    while time.time() < until_s:
        random = Random(f"{seed}/{target.name}/{number}")
        worker.run(mutated(random.choice(seeds), random, seeds), number)
        number += 1
    worker.flush()


def run_guided(worker: Worker, target: "Target", seed: int, first: int, until_s: float, queue: Path) -> None:
    """Let libFuzzer choose which inputs to change again, by the lines that they reach; `queue` keeps these."""
    import atheris

    seeds = bundles.seeds(target.corpus)
    seen = {_digest(path.read_bytes()) for path in queue.iterdir()}
    for index, each in enumerate(seeds):
        if not seen:
            (queue / f"seed-{index}").write_bytes(bundles.to_bytes(each))
    numbers = iter(range(first, 10**12))

    def test_one(data: bytes) -> None:
        made = bundles.from_bytes(data)
        digest = _digest(data)
        if made is not None and digest not in seen:
            seen.add(digest)
            worker.run(made, next(numbers))

    def change(data: bytes, max_size: int, seed: int) -> bytes:
        random = Random(seed)
        changed = bundles.to_bytes(mutated(bundles.from_bytes(data) or random.choice(seeds), random, seeds))
        return changed if len(changed) <= max_size else data

    seconds = max(1, int(until_s - time.time()))
    flags = ["-rss_limit_mb=0", "-malloc_limit_mb=0", "-timeout=0", "-detect_leaks=0", "-verbosity=0", "-len_control=0"]
    flags += ["-max_len=2000000", f"-max_total_time={seconds}", f"-seed={seed % 2**31 or 1}", "-handle_usr1=0"]
    atheris.Setup([sys.argv[0], *flags, str(queue)], test_one, custom_mutator=change)
    atheris.Fuzz()


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=8).digest()


def _resident_bytes() -> int:
    """The most memory that this process has used so far; Linux counts in KiB, macOS in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _has_proc() -> bool:
    return Path("/proc/self/statm").exists()


def _uninstrumented() -> list[str]:
    """Modules whose functions numba compiles: it cannot read instrumented bytecode."""
    found = []
    for folder in ("data", "compression", "networks", "export", "fsd"):
        for path in (ROOT / folder).rglob("*.py"):
            if "numba" in (text := path.read_text(encoding="utf-8")) or "data.kernel" in text:
                parts = path.relative_to(ROOT).with_suffix("").parts
                found.append(".".join(parts if parts[0] == "fsd" else ("fsd", *parts)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("target")
    for name in ("--report", "--seed", "--first"):
        parser.add_argument(name, type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--queue", type=Path, help="where inputs are kept for guided fuzzing")
    parser.add_argument("--again", type=Path, help="read the files of this folder once")
    options = parser.parse_args()
    if options.queue:
        import atheris

        with atheris.instrument_imports(include=["fsd"], exclude=_uninstrumented()):
            from tests.fuzz.targets import TARGETS
    else:
        from tests.fuzz.targets import TARGETS
    target = TARGETS[options.target]
    worker = Worker(target, options.work, options.report, says_why=bool(options.again))
    worker.begin()
    if options.again:
        worker.run(bundles.of_folder(options.again), 0)
        return
    until_s = time.time() + options.seconds
    if options.queue:
        run_guided(worker, target, options.seed, options.first, until_s, options.queue)
    else:
        run_random(worker, target, options.seed, options.first, until_s)


if __name__ == "__main__":
    main()
