"""Put the folder `benchmarks` on the path, as running a benchmark does."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
