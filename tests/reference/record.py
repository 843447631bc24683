"""Record the replay references anew: a deliberate act, after a change that is meant to change plans or compression.

    .venv/bin/python -m tests.reference.record

Say in the commit message why the numbers changed.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.reference.cases import CLIPS, clip_folder, fp32_model
from tests.reference.outputs import replay_outputs
from tests.reference.recorded import save_reference


def main() -> None:
    """Replay every reference clip with the FP32 and the INT8 model and store what comes out."""
    with TemporaryDirectory() as folder:
        model = fp32_model(Path(folder))
        for clip in CLIPS:
            path = clip_folder(clip, Path(folder))
            save_reference(clip, "fp32", replay_outputs(path, model))
            save_reference(clip, "int8", replay_outputs(path))
            print(f"recorded {clip}")


if __name__ == "__main__":
    main()
