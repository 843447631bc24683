"""Make a saved input as small as it can be with the same outcome: `python -m tests.fuzz.minimise FOLDER TARGET NAME`.

Writes `corpus/TARGET/found/NAME.zip`, which the tests read again and fuzzing starts from.
"""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz import bundle as bundles
from tests.fuzz.bundle import Bundle
from tests.fuzz.child import outcome_of

MAX_TRIES = 600


def minimised(made: Bundle, seeds: list[Bundle], is_same: Callable[[Bundle], bool]) -> Bundle:
    """Files as in a good input where possible, then fewer files, then fewer bytes in those that differ."""
    best = dict(made)
    nearest = min(seeds, key=lambda seed: sum(seed.get(name) != data for name, data in made.items()))
    for name in sorted(best):
        restored = {**best, name: nearest[name]} if name in nearest else best
        best = restored if restored != best and is_same(restored) else best
    for name in sorted(best):
        fewer = {other: data for other, data in best.items() if other != name}
        best = fewer if fewer and is_same(fewer) else best
    for name in sorted(best):
        if best[name] != nearest.get(name):
            best = {**best, name: _shorter(best, name, is_same)}
    return best


def _shorter(best: Bundle, name: str, is_same: Callable[[Bundle], bool]) -> bytes:
    """Cut halves, quarters … out of one file."""
    data, size, tries = best[name], len(best[name]) // 2, 0
    while size and tries < MAX_TRIES:
        at = 0
        while at < len(data) and tries < MAX_TRIES:
            shorter = data[:at] + data[at + size :]
            tries += 1
            if is_same({**best, name: shorter}):
                data = shorter
            else:
                at += size
        size //= 2
    return data


def main() -> None:
    """Minimise one saved input."""
    from tests.fuzz.targets import TARGETS

    folder, target, name = Path(sys.argv[1]), TARGETS[sys.argv[2]], sys.argv[3]
    with TemporaryDirectory() as scratch:

        def signature(made: Bundle) -> str:
            place = Path(scratch) / "clip"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            bundles.write_files(made, place)
            return outcome_of(target, place).signature

        made = bundles.of_folder(folder / "input")
        wanted = signature(made)
        if not wanted:
            raise SystemExit(f"{folder} is read as it should be: nothing to minimise.")
        best = minimised(made, bundles.seeds(target.corpus), lambda each: signature(each) == wanted)
    path = bundles.CORPUS / target.corpus / "found" / f"{name}.zip"
    bundles.pack(best, path)
    print(f"{wanted}: {sum(map(len, made.values()))} -> {sum(map(len, best.values()))} bytes, {path}")


if __name__ == "__main__":
    main()
