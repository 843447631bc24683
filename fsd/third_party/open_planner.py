"""Open our network or a third-party model as a `Planner`, alone or checked by a second one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnxruntime

from fsd.data.clip import Clip
from fsd.data.frames import CAMERAS
from fsd.data.rig import Rig
from fsd.networks.onnx_session import open_bound_session, open_session, provider_for, require_model_file
from fsd.runtime.cross_check import CrossCheckedPlanner
from fsd.runtime.divergence import CrossCheckSettings, PairKind
from fsd.runtime.engine import Engine, SessionFactory, packaged_model
from fsd.runtime.network_planner import NetworkPlanner
from fsd.runtime.options import ModelOptions, model_paths
from fsd.runtime.planner import Planner
from fsd.runtime.second_network import LIMITS, SecondNetwork
from fsd.third_party.adapter_planner import AdapterPlanner


def open_planner(
    rig: Rig,
    model: Path | Sequence[Path] | None = None,
    adapter: Path | None = None,
    threads: int = 1,
    device: str = "cpu",
    session_factory: SessionFactory | None = None,
    cross_check: SecondNetwork | None = None,
    tolerance: Mapping[str, float] | None = None,
    recorded: Collection[str] | None = None,
    rig_is_assumed: bool = False,
) -> Planner:
    """Load a model for clips of one rig; see `Engine` and `AdapterPlanner` for the arguments and errors.

    Args:
        model: ONNX file, or with an adapter several that run one after the other; None is the packaged one.
        adapter: `adapter.json` of a third-party `model`; None for a model with fsd metadata.
        cross_check: second network, which checks the first; the adapter is that of both.
        recorded: canonical cameras that have pictures, and rig_is_assumed: whether the rig is not that of the
            recording; a third-party model is refused where it would see nothing, and says what it relies on.
        tolerance: name of `divergence.UNITS` -> largest difference without an alarm, in place of the default.

    Raises:
        ValueError: an adapter without a model.
    """
    if cross_check is not None:  # both are refused under the name of the option that gave them
        if cross_check.model is not None:
            require_model_file(cross_check.model, "--cross-check")
        if cross_check.device is not None:
            provider_for(cross_check.device, "--cross-check")
    place = _Place(device, threads)
    recording = _Recording(rig, recorded, rig_is_assumed)
    first = _open_one(recording, model, adapter, place, session_factory)
    if cross_check is None:
        return first
    other_place = _Place(cross_check.device or device, cross_check.threads or threads)
    second = _open_one(recording, cross_check.model or model, adapter, other_place, session_factory)
    kind = _pair_kind(first, place, second, other_place, has_adapter=adapter is not None)
    settings = CrossCheckSettings(
        second.metadata.name,
        second.metadata.precision,
        other_place.device,
        other_place.threads,
        kind,
        {**LIMITS[kind], **(tolerance or {})},
    )
    return CrossCheckedPlanner(first, second, settings)


def chosen_planner(clip: Clip, options: ModelOptions, session_factory: SessionFactory | None = None) -> Planner:
    """The planner that the options of a command name, for one recording; errors as in `open_planner`."""
    return open_planner(
        clip.rig,
        options.model,
        options.adapter,
        options.threads,
        options.device,
        session_factory,
        cross_check=options.cross_check,
        tolerance=options.cross_check_tolerance,
        recorded=[camera for camera, stream in zip(CAMERAS, clip.streams, strict=True) if stream is not None],
        rig_is_assumed=clip.rig_is_assumed,
    )


class LoadedModels:
    """Planners for one recording after the other, with models that stay loaded; one planner is in use at a time."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._sessions: dict[tuple[Path, int, str], onnxruntime.InferenceSession] = {}

    def chosen_planner(self, clip: Clip, options: ModelOptions) -> Planner:
        """As the function of this name."""
        if options.adapter is not None or options.cross_check is not None:
            return chosen_planner(clip, options, self._session)
        # The whole engine: on a GPU, its buffers belong to the session.
        model = next(iter(model_paths(options.model)), packaged_model())
        engine = self._engine
        if engine is None or (engine.model, engine.device) != (model, options.device):
            engine = self._engine = Engine(model, options.threads, options.device)
        return NetworkPlanner(clip.rig, engine)

    def _session(self, model: Path, threads: int, device: str) -> onnxruntime.InferenceSession:
        key = (model, threads, device)
        if key not in self._sessions:
            self._sessions[key] = open_session(*key)
        return self._sessions[key]


@dataclass(frozen=True)
class _Place:
    """Where a network runs."""

    device: str
    threads: int


@dataclass(frozen=True)
class _Recording:
    """What a planner must know of a recording; fields as in `open_planner`."""

    rig: Rig
    recorded: Collection[str] | None
    rig_is_assumed: bool


def _open_one(
    recording: _Recording,
    model: Path | Sequence[Path] | None,
    adapter: Path | None,
    place: _Place,
    session_factory: SessionFactory | None,
) -> Planner:
    models = model_paths(model)
    if adapter is not None and not models:
        raise ValueError("adapter needs the model that it describes: give `--model` as well.")
    if adapter is not None:
        return AdapterPlanner(
            models,
            adapter,
            place.threads,
            place.device,
            session_factory or open_session,
            recording.rig,
            recording.recorded,
            recording.rig_is_assumed,
        )
    if len(models) > 1:
        raise ValueError("several models need an adapter that links them: give `--adapter` as well.")
    engine = Engine(models[0] if models else None, place.threads, place.device, session_factory or open_bound_session)
    return NetworkPlanner(recording.rig, engine)


def _pair_kind(first: Planner, place: _Place, second: Planner, other_place: _Place, *, has_adapter: bool) -> PairKind:
    is_same_file = [path.read_bytes() for path in first.models] == [path.read_bytes() for path in second.models]
    if is_same_file and place.device == other_place.device:
        # Our networks give the same bits with any number of threads; third-party models may not.
        is_same = place.threads == other_place.threads or not has_adapter
        return "same" if is_same else "threads"
    weights = first.metadata.weights_sha256
    if weights and weights == second.metadata.weights_sha256:
        return "float" if {first.metadata.precision, second.metadata.precision} == {"fp32"} else "precision"
    return "network"
