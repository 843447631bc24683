"""Compress and plan on emulated processors, and compare with this machine: `make portable`, `make portable MODEL=FILE`.

The demo clip's first ticks are decoded, compressed and planned, memory included. Compared are all outputs of the
compressor, the 8-bit tensors inside the network, and the plans. The last line is JSON; the exit code is 1 if anything
differs by more than it may, and 2 if a processor could not be emulated.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx

from fsd.meters.machine import describe_machine
from fsd.runtime.engine import packaged_model

# Last on the path: from Python 3.14 the root's folder `compression` would hide the standard library's.
sys.path.append(str(Path(__file__).resolve().parents[2]))
from tests.portable.arm64 import Arm64Python, MissingError, prepare
from tests.portable.emulator import OUT, PACKAGE, PROCESSORS, ROOT, Processor, compile_kernels, run_on
from tests.portable.integer_tensors import exact_tensors, integer_tensors, with_integer_tensors

SCRIPT = Path(__file__).with_name("ticks.py")
CLIP = ROOT / "fsd" / "demo_clip"
LIMIT_MM = 1.0
"""Largest difference of a waypoint's coordinate: a tenth of what the plan is written with in tables."""

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Difference:
    """How one processor's results differ from this machine's.

    Attributes:
        compressor: outputs of the compressor that differ in any byte; those with floats are listed like others.
        exact_elements: elements that differ in 8-bit tensors that follow from the images by integer sums alone.
        rounded_elements: the same in those behind a float operator, of `rounded_of`.
        plan_mm: largest difference of a coordinate in any plan.
    """

    instructions: str
    integer_sums: str
    onnxruntime: str
    compressor: tuple[str, ...]
    exact_elements: int
    exact_of: int
    rounded_elements: int
    rounded_of: int
    plan_mm: float

    def is_within(self, limit_mm: float) -> bool:
        return not self.compressor and not self.exact_elements and self.plan_mm <= limit_mm


def main() -> int:
    """Run, print a table and one line of JSON; returns the exit code."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", type=Path, default=None, help="INT8 file of `fsd export` (default: the packaged one)"
    )
    parser.add_argument("--ticks", type=int, default=4, help="ticks to compress and plan (default: 4)")
    parser.add_argument("--limit-mm", type=float, default=LIMIT_MM, help="largest difference of plans (default: 1)")
    parser.add_argument("--processors", nargs="+", choices=tuple(PROCESSORS), default=tuple(PROCESSORS), metavar="NAME")
    options = parser.parse_args()
    path = options.model or packaged_model()
    model = onnx.load(path)
    OUT.mkdir(parents=True, exist_ok=True)
    wider = OUT / "integer_tensors.onnx"
    onnx.save(with_integer_tensors(model), wider)
    here = OUT / "here.npz"
    arguments = (str(CLIP), str(wider), str(options.ticks))
    print(f"{path.name}, {options.ticks} ticks of the demo clip\nhere: {describe_machine()}\n", flush=True)
    run_on(None, SCRIPT, *arguments, str(here))
    found: dict[str, Difference] = {}
    missing: dict[str, str] = {}
    print(f"{'emulated':12} {'8-bit sums':11} {'compressor':11} {'integers':>16} {'behind floats':>15} {'plan':>10}")
    for processor in (PROCESSORS[name] for name in options.processors):
        there = OUT / f"{processor.name}.npz"
        try:
            arm64 = _prepared(processor)
        except MissingError as error:
            missing[processor.name] = str(error)
            print(f"{processor.name:12} not emulated: {error}")
            continue
        compile_kernels(processor, SCRIPT, *arguments, str(there), str(here))
        facts = run_on(processor, SCRIPT, *arguments, str(there), str(here), arm64=arm64)
        difference = compare(np.load(here), np.load(there), model, processor, facts)
        found[processor.name] = difference
        print(_row(processor.name, difference, options.limit_mm), flush=True)
    passed = bool(found) and all(each.is_within(options.limit_mm) for each in found.values())
    result = {"passed": passed, "ticks": options.ticks, "limit_mm": options.limit_mm}
    print(json.dumps({**result, "found": {name: asdict(each) for name, each in found.items()}, "missing": missing}))
    return 2 if missing else int(not passed)


def compare(
    here: Arrays, there: Arrays, model: onnx.ModelProto, processor: Processor, facts: dict[str, str]
) -> Difference:
    """Compare two results of `ticks.py`, by name of the array."""
    exact = exact_tensors(model)
    rounded = [name for name in integer_tensors(model) if name not in exact]

    def differing(names: list[str]) -> tuple[int, int]:
        pairs = [(here[f"network/{name}"], there[f"network/{name}"]) for name in names]
        return sum(int((one != other).sum()) for one, other in pairs), sum(one.size for one, _ in pairs)

    compressed = [name for name in here if name.startswith("compressor/")]
    plans_m = [arrays["network/trajectory"][:, :, :2].astype(np.float64) for arrays in (here, there)]
    exact_elements, exact_of = differing(exact)
    rounded_elements, rounded_of = differing(rounded)
    return Difference(
        instructions=processor.instructions,
        integer_sums=facts["integer_sums"],
        onnxruntime=facts["onnxruntime"],
        compressor=tuple(
            name.removeprefix("compressor/") for name in compressed if here[name].tobytes() != there[name].tobytes()
        ),
        exact_elements=exact_elements,
        exact_of=exact_of,
        rounded_elements=rounded_elements,
        rounded_of=rounded_of,
        plan_mm=round(float(np.abs(plans_m[0] - plans_m[1]).max()) * 1e3, 4),
    )


def _row(name: str, found: Difference, limit_mm: float) -> str:
    compressor = "same bytes" if not found.compressor else "DIFFERS"
    exact = f"{found.exact_elements} of {found.exact_of / 1e6:.1f}M"
    rounded = f"{found.rounded_elements} of {found.rounded_of / 1e6:.1f}M"
    lines = [f"{name:12} {found.integer_sums:11} {compressor:11} {exact:>16} {rounded:>15} {found.plan_mm:7.3f} mm"]
    if found.compressor:
        lines.append(f"{'':12} the compressor differs in {', '.join(found.compressor)}")
    if found.plan_mm > limit_mm:
        lines.append(f"{'':12} plans differ by more than {limit_mm:g} mm; `fsd export --float-transformer` avoids that")
    return "\n".join(lines)


def _prepared(processor: Processor) -> Arm64Python | None:
    """Install what is missing for a processor, where that is allowed.

    Raises:
        MissingError: it is not, or there is no such thing.
    """
    if shutil.which(processor.emulator) is None and shutil.which("apt-get") is not None and os.getuid() == 0:
        for command in (("update", "-q"), ("install", "-y", "-q", "--no-install-recommends", PACKAGE)):
            subprocess.run(["apt-get", *command], capture_output=True, check=False)
    if shutil.which(processor.emulator) is None:
        raise MissingError(
            f"`{processor.emulator}` is missing; install `{PACKAGE}` as root (apt-get install {PACKAGE})."
        )
    if processor.machine == "aarch64":
        return prepare(OUT / "arm64", ROOT)
    if not processor.is_available:
        raise MissingError("x86 processors need a machine with x86 packages.")
    return None


if __name__ == "__main__":
    sys.exit(main())
