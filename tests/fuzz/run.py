"""Fuzz every reader for a given time: `make fuzz SECONDS=600`, or `python -m tests.fuzz.run --seconds 600`.

Targets take turns, each in a child process with limits on time and memory. Findings are saved below `--out`, each with
the files that caused it. The last line is JSON: `fuzzed`, `tracebacks`, `hangs`, `silent_wrong`, `crashes`, and the
same per target.
"""

import argparse
import importlib.util
import json
import os
import selectors
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HANG_S = 30.0
START_S = 300.0
"""A child may load libraries and compile this long before its first input."""

KEPT = 3
"""As many inputs are saved of findings that have the same signature."""

COUNTS = {
    "traceback": "tracebacks",
    "hang": "hangs",
    "wrong": "silent_wrong",
    "crash": "crashes",
    "memory": "memory_blow_ups",
}
ROOT = Path(__file__).resolve().parents[2]
# Last on the path: from Python 3.14 the root's folder `compression` would hide the standard library's.
_CHILD = "import sys; sys.path.append(sys.argv.pop(1)); from tests.fuzz.child import main; main()"


@dataclass
class Tally:
    """What became of a target's inputs."""

    fuzzed: int = 0
    accepted: int = 0
    slowest_s: float = 0.0
    found: Counter[str] = field(default_factory=Counter)
    signatures: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        counts = {name: self.found[kind] for kind, name in COUNTS.items()}
        kinds = {"findings": dict(self.signatures)} if self.signatures else {}
        return {"fuzzed": self.fuzzed, "accepted": self.accepted, **counts, "slowest_s": self.slowest_s, **kinds}


class Fuzzer:
    """Runs children and keeps count.

    Args:
        out: where findings are saved.
        seed: with it and without guidance by coverage, the inputs are the same every time.
    """

    def __init__(self, out: Path, seed: int) -> None:
        self._out, self._seed = out, seed
        self.tallies: dict[str, Tally] = {}
        memory = Path("/dev/shm")  # files come and go for every input: spare the disk
        self._scratch = TemporaryDirectory(prefix="fsd-fuzz-", dir=memory if os.access(memory, os.W_OK) else None)

    def turn(self, target: str, seconds: float, guided: bool) -> None:
        """Fuzz one target for some time; a child that dies or hangs is replaced."""
        until_s = time.time() + seconds
        while (left_s := until_s - time.time()) > 0:
            tally = self.tallies.setdefault(target, Tally())
            arguments = ["--seed", str(self._seed + tally.fuzzed * guided), "--first", str(tally.fuzzed)]
            if guided:
                queue = Path(self._scratch.name) / "queue" / target
                queue.mkdir(parents=True, exist_ok=True)
                arguments += ["--queue", str(queue)]
            started_s = time.time()
            ran = self._child(target, [*arguments, "--seconds", str(left_s)])
            # Loading is not fuzzing: a target whose libraries load slowly still has its time.
            until_s += max(0.0, ran - started_s) if ran else 0.0

    def again(self, target: str, folder: Path) -> None:
        """Read one saved input and print what becomes of it."""
        self._child(target, ["--again", str(folder)], prints=True)

    def _child(self, target: str, arguments: list[str], prints: bool = False) -> float:
        """Run a child to its end; returns when it was ready."""
        work = Path(self._scratch.name) / "work"
        reading, writing = os.pipe()
        log = Path(self._scratch.name) / "log"
        command = [sys.executable, "-c", _CHILD, str(ROOT), target, "--report", str(writing), "--work", str(work)]
        with log.open("wb") as output:
            child = subprocess.Popen([*command, *arguments], pass_fds=[writing], stdout=output, stderr=output, cwd=ROOT)
        os.close(writing)
        ready_s, killed = 0.0, False
        try:
            for line in _lines(reading, START_S):
                if line is None:
                    child.kill()
                    killed = True
                    self._finding(target, {"kind": "hang", "detail": "no answer in time", "signature": "hang"}, work)
                    break
                if "ready" in line:
                    ready_s = time.time()
                    if line["ready"] != "accepted":
                        raise SystemExit(f"{target}: a good input is {line['ready']}: {line['detail']}")
                else:
                    self._count(target, line, work, prints)
        finally:
            os.close(reading)
            if not killed and not _ended(child):
                child.kill()
                killed = True
            code = child.wait()
        if code and not killed:  # also by a signal that was not ours, as where memory ran out
            detail = f"exit code {code}\n" + log.read_text(errors="replace")[-3000:]
            if not ready_s:
                raise SystemExit(f"{target}: the child did not start.\n{detail}")
            self._finding(target, {"kind": "crash", "detail": detail, "signature": f"exit code {code}"}, work)
        return ready_s

    def _count(self, target: str, line: dict[str, Any], work: Path, prints: bool) -> None:
        tally = self.tallies.setdefault(target, Tally())
        tally.slowest_s = max(tally.slowest_s, line["seconds"])
        if line["kind"] in ("accepted", "refused"):
            tally.fuzzed += 1
            tally.accepted += line["kind"] == "accepted"
        else:
            self._finding(target, line, work)
        if prints:
            print(f"{line['kind']} after {line['seconds']} s\n{line['detail']}")

    def _finding(self, target: str, line: dict[str, Any], work: Path) -> None:
        """Count it, and save its files the first times."""
        tally = self.tallies.setdefault(target, Tally())
        tally.fuzzed += 1
        tally.found[line["kind"]] += 1
        signature = f"{line['kind']}: {line['signature']}"
        tally.signatures[signature] += 1
        count = tally.signatures[signature]
        if count > KEPT:
            return  # the files of later ones stay in the scratch folder until the end
        place = self._out / target / f"{line['kind']}-{len(tally.signatures)}-{count}"
        shutil.rmtree(place, ignore_errors=True)
        found = work.with_name("found") / str(line.get("number"))
        files = found if found.exists() else work / "clip"
        if files.exists():
            shutil.copytree(files, place / "input")
        place.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(work.with_name("found"), ignore_errors=True)
        (place / "finding.txt").write_text(f"{signature}\n\n{line['detail']}\n", encoding="utf-8")
        print(
            f"{target}: {signature}\n  again: python -m tests.fuzz.run --again {place} --targets {target}", flush=True
        )


def _lines(descriptor: int, first_s: float) -> Any:
    """The JSON lines that a child sends; None where it is silent for too long."""
    limit_s, rest = first_s, b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            if not selector.select(limit_s):
                yield None
                return
            data = os.read(descriptor, 1 << 16)
            if not data:
                return
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                limit_s = HANG_S
                yield json.loads(line)


def _ended(child: "subprocess.Popen[bytes]") -> bool:
    try:
        child.wait(timeout=10)
    except subprocess.TimeoutExpired:
        return False
    return True


def main() -> None:
    """Fuzz, and print the counts as one line of JSON."""
    sys.path.append(str(ROOT))
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(allow_abbrev=False, description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600, help="in all, without loading (default 600)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: another one every time")
    parser.add_argument("--targets", nargs="+", choices=sorted(TARGETS), default=list(TARGETS), metavar="NAME")
    parser.add_argument("--turn", type=float, default=60, help="seconds before the next target has its turn")
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"), help="where findings are saved")
    parser.add_argument("--unguided", action="store_true", help="mutation alone, without coverage")
    parser.add_argument("--again", type=Path, metavar="FOLDER", help="read a saved input once more")
    options = parser.parse_args()
    guided = not options.unguided and importlib.util.find_spec("atheris") is not None
    fuzzer = Fuzzer(options.out, options.seed)
    if options.again:
        fuzzer.again(options.targets[0], options.again / "input")
        return
    print(f"seed {options.seed}, {'every second turn guided by coverage' if guided else 'mutation alone'}", flush=True)
    weights = {name: TARGETS[name].weight for name in options.targets}
    rounds = max(1, round(options.seconds / options.turn / sum(weights.values())))
    for number in range(rounds):
        for name, weight in weights.items():
            # Guidance reaches deep into what is refused; mutation alone leaves more that is accepted.
            fuzzer.turn(name, options.seconds / rounds * weight / sum(weights.values()), guided and number % 2 == 1)
            print(f"{name}: {json.dumps(fuzzer.tallies[name].as_dict())}", flush=True)
    per_target = {name: tally.as_dict() for name, tally in fuzzer.tallies.items()}
    keys = ("fuzzed", *COUNTS.values())
    print(json.dumps({**{key: sum(each[key] for each in per_target.values()) for key in keys}, "targets": per_target}))


if __name__ == "__main__":
    main()
