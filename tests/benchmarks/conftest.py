"""The benchmarks are scripts, not a package: their folder goes on the path here, as it does when one is run."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
