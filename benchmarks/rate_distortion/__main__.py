"""Entry point of `python benchmarks/rate_distortion`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Python puts this folder on the path; the package and the modules that benchmarks share are in the one above.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from rate_distortion.command import main

    main()
