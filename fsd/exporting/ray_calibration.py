"""Measure the recordings of a calibration on a Ray cluster: the same result as one after the other, to the bit.

What is measured of a recording is kept in the folder of the export until that is complete, named by the recording and
by all that decides the result, so that an export that was stopped goes on.
"""

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from fsd.data.errors import ClipError, ModelError, UsageError
from fsd.data.files import write_bytes, writing_to
from fsd.data.recording_options import CameraOptions
from fsd.data.result_record import HIDDEN
from fsd.export.clip_measure import ClipMeasure, MeasureClips, Measured
from fsd.export.kept_steps import KeptSteps
from fsd.export.onnx_runner import Clip
from fsd.export.steps import FirstShare
from fsd.fleet.clip_units import check_version
from fsd.fleet.config import LOCAL, ExportFleetOptions
from fsd.fleet.destination import remove
from fsd.fleet.engine import Needs, Problem, Work, ray_cluster, run_on_ray
from fsd.fleet.failures import FailureList
from fsd.fleet.fleet_run import clip_progress, needs_of
from fsd.fleet.keys import RUN_LENGTH, unit_key
from fsd.fleet.places import Place
from fsd.fleet.sources import clips_in
from fsd.fleet.units import FAILURES_FILE, RUNS
from fsd.replay.fingerprint import digest, recording_digest
from fsd.version import __version__

FOLDER = f"{HIDDEN}-calibration"
"""In the folder of the export, with a file per recording and measure."""


def recordings_for(sources: Sequence[Path]) -> list[Path]:
    """The recordings that folders, patterns and manifests name.

    Raises:
        UsageError: one is a URL: the proof reads recordings as files.
    """
    found = list(clips_in([str(source) for source in sources], Place.of(Path("/"))))
    if url := next((clip for clip in found if "://" in clip), None):
        raise UsageError(f"{url} is a URL. Copy the recordings of a calibration into a folder that all machines share.")
    return [Path(clip) for clip in found]


@contextmanager
def calibrating_on_ray(out: Path, options: ExportFleetOptions) -> Iterator[MeasureClips]:
    """Be connected to the cluster that measures; what it measured is removed when the block ends without an error.

    Args:
        out: folder of the export, which all machines reach.
    """
    needs, folder = needs_of(options, CameraOptions.decode_workers), out.absolute() / FOLDER
    with ray_cluster(options.ray or LOCAL, needs, options.workers):
        yield _RayCalibration(folder, needs, options.workers)
    remove(folder)


@dataclass(frozen=True)
class _Job:
    """A recording, and the name of the file for what is measured."""

    clip: Clip
    name: str


@dataclass(frozen=True)
class _RayCalibration:
    """Measures recordings on the cluster; see `MeasureClips`."""

    folder: Path
    needs: Needs
    workers: int | None

    def __call__(self, measure: ClipMeasure, clips: Sequence[Clip]) -> Iterator[Measured]:
        """What is measured, in the order of the recordings.

        Raises:
            ClipError, ModelError: at least one recording could not be measured; all others were.
        """
        run = digest([__version__.encode(), *measure.content])[:RUN_LENGTH]
        jobs = [_Job(*_named(clip, run, self.folder.parent)) for clip in clips]
        with writing_to(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        missing = [job for job in {job.name: job for job in jobs}.values() if not (self.folder / job.name).exists()]
        self._measure(measure, missing, run, len(jobs) - len(missing))
        for job in jobs:
            with np.load(io.BytesIO((self.folder / job.name).read_bytes()), allow_pickle=False) as found:
                yield dict(found)

    def _measure(self, measure: ClipMeasure, jobs: Sequence[_Job], run: str, kept: int) -> None:
        failures, failed = FailureList(Place.of(self.folder), run), list[Problem]()
        ends = run_on_ray(jobs, _start, (measure, self.folder, __version__), self.needs, self.workers)
        with closing(failures), clip_progress(kept + len(jobs), "calibrate") as progress, closing(ends):
            progress.update(kept)
            for ended in ends if jobs else ():
                if ended.problem is not None:
                    path, problem = _recording(ended.job.clip).path, ended.problem
                    failures.add(str(path), ended.attempts, problem.kind, problem.reason)
                    progress.write(f"failed      {ended.problem.reason}", file=sys.stderr)
                    failed.append(ended.problem)
                progress.update()
        if failed:
            kind = ModelError if failed[0].exit_code == ModelError.exit_code else ClipError
            raise kind(
                f"{len(failed)} of {kept + len(jobs)} recordings cannot be measured, listed in "
                f"{self.folder / RUNS / run / FAILURES_FILE}; the first: {failed[0].reason} All others are measured: "
                "leave these out, and start again to continue."
            )


def _start(measure: ClipMeasure, folder: Path, version: str) -> Work:
    check_version(version)

    def work(job: _Job, attempt: int) -> None:
        content = io.BytesIO()
        np.savez(content, **measure(job.clip))  # type: ignore[arg-type]
        with writing_to(folder):
            write_bytes(folder / job.name, content.getvalue())

    return work


def _recording(clip: Clip) -> KeptSteps[object]:
    inner = clip.clip if isinstance(clip, FirstShare) else clip
    assert isinstance(inner, KeptSteps)
    return inner


def _named(clip: Clip, run: str, out: Path) -> tuple[Clip, str]:
    """The clip as it is sent, which keeps no steps in memory, and the name of its file."""
    recording = _recording(clip)
    sent = replace(recording, path=recording.path.absolute(), keep_bytes=0)
    fraction = clip.fraction if isinstance(clip, FirstShare) else 1.0
    reading = {each.name: repr(getattr(sent, each.name)) for each in fields(sent) if each.repr and each.name != "path"}
    content = recording_digest(sent.path, CameraOptions(), out)
    key = unit_key(run, digest([content.encode(), repr((reading, fraction)).encode()]))
    return (sent if fraction == 1 else FirstShare(sent, fraction)), f"{key}.npz"
