"""What a replay was made from, as digests: two replays with the same fingerprint and version have the same results."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from fsd.data.formats.fragment import split_fragment
from fsd.data.open_clip import open_clip
from fsd.data.recording_files import files_named
from fsd.data.recording_options import CameraOptions
from fsd.data.result_record import HIDDEN, results_in
from fsd.outputs.replay_summary import Fingerprint
from fsd.replay.config import ReplayConfig
from fsd.runtime.engine import packaged_model
from fsd.runtime.options import model_paths
from fsd.third_party.ready_adapters import adapter_file


def fingerprint(config: ReplayConfig) -> Fingerprint:
    """Digests of the recording's files (path, size, modification time), of all settings, and of the model's content.

    Raises:
        ModelError: this installation has no packaged model, and `config` names none.
        OSError: a file of the recording or of the model cannot be read.
    """
    return Fingerprint(
        recording=recording_digest(config.clip, config, config.out),
        settings=settings_digest(config),
        model=digest(part for path in chosen_models(config) for part in _model_parts(path)),
    )


def recording_digest(clip: Path, options: CameraOptions, out: Path) -> str:
    """Of the recording's files: path, size, modification time; as `files_of_recording`.

    Raises:
        OSError: one of them cannot be read.
    """
    recorded = files_of_recording(clip, options, out)
    recording = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in recorded]
    recording.append((split_fragment(clip)[1] or "", 0, 0))
    return digest([json.dumps(recording).encode()])


def settings_digest(config: ReplayConfig) -> str:
    """Of all settings but the recording, the result folder and the model."""
    settings = {
        name: value for name, value in asdict(config).items() if name not in ("clip", "out", "model", "adapter")
    }
    if config.cross_check is not None:
        settings["cross_check"] = str(config.cross_check)
    return digest([json.dumps(settings, default=str).encode()])


def chosen_models(config: ReplayConfig) -> list[Path]:
    """The files of the networks that a replay runs, and of the adapter; without weights beside them.

    Raises:
        ModelError: this installation has no packaged model, and `config` names none.
    """
    second = config.cross_check
    models = model_paths(config.model) or (packaged_model(),)
    adapter = None if config.adapter is None else adapter_file(config.adapter)
    named = (*models, adapter, None if second is None else second.model)
    return [path for path in named if path is not None and path.is_file()]


def files_beside(model: Path, content: bytes) -> list[Path]:
    """The files that a model names and that lie beside it: large models keep their weights in some."""
    beside = (path for path in sorted(model.parent.iterdir()) if path != model and path.is_file())
    return [path for path in beside if os.fsencode(path.name) in content]


def _model_parts(path: Path) -> Iterator[bytes]:
    """The content of a model or adapter, and which files it has beside it."""
    content = path.read_bytes()
    yield content
    for beside in files_beside(path, content):
        yield json.dumps((beside.name, beside.stat().st_size, beside.stat().st_mtime_ns)).encode()


def files_of_recording(path: Path, options: CameraOptions, out: Path) -> list[Path]:
    """The files of a recording: all below a folder but the results, or a video, those of its name, and named cameras.

    Of a recording inside a data set: its pictures, and all tables of the data set. Results below `out` are left out.
    """
    clip, fragment = split_fragment(path)
    if fragment is not None:
        tables = [path for suffix in ("json", "parquet") for path in clip.rglob(f"*.{suffix}")]
        return sorted({*open_clip(path, options).files, *tables})
    beside = clip.rglob("*") if clip.is_dir() else clip.parent.glob(f"{clip.stem}.*")
    folder = clip if clip.is_dir() else clip.parent
    values = options.cameras.values() if options.cameras else ()
    named = [path for value in values for path in files_named(folder, value)]
    out = out.resolve()  # may lie in the folder of the recording, or be that folder
    is_apart = out not in (folder.resolve(), *folder.resolve().parents)
    results = {out / name for name in results_in(out)}

    def is_recorded(path: Path) -> bool:
        place = path.resolve()
        is_result = path.name.startswith(HIDDEN) or place in results or (is_apart and out in place.parents)
        return not is_result

    return sorted({path for path in (*beside, *named) if path.is_file() and is_recorded(path)})


def digest(parts: Iterable[bytes]) -> str:
    """Of all parts and their borders, as 32 hexadecimal digits."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:32]
