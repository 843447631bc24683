"""Export a third-party model by its adapter: `fsd export MODEL --adapter a.json --data CLIPS`.

Wires the adapter's inputs, state and plan to the export, which knows only arrays.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from fsd.data.counted import counted
from fsd.data.errors import ModelError, UsageError
from fsd.export.any_model import ModelSource, export_model
from fsd.export.clip_measure import MeasureClips, in_turn
from fsd.export.config import LAST_SYMMETRIC_OPSET
from fsd.export.divergence import TorchModel as WatchedModel
from fsd.export.fine_tuning import FineTuned, fine_tune
from fsd.export.kept_steps import KEEP_BYTES
from fsd.export.layer_inputs import WEIGHTED
from fsd.export.merged_models import merge_models
from fsd.export.model_file import file_sha256, uses_external_data
from fsd.export.model_source import LoadedModel, kind_of, load_source
from fsd.export.node_choice import choose_nodes
from fsd.export.onnx_export import tensor_shapes
from fsd.export.onnx_file import check_runs, with_fixed_axes
from fsd.export.onnx_runner import MakeFeeds
from fsd.export.prepared_graph import opset_of, prepare
from fsd.export.recipes import RECIPES
from fsd.export.sensitivity import ProgressCallback
from fsd.export.steps import Exported
from fsd.exporting.adapted_clip import AdaptedClip, AdapterFeeds
from fsd.exporting.adapter_measure import AdapterMeasure
from fsd.exporting.config import AdaptedExportConfig
from fsd.networks.onnx_session import Signature
from fsd.outputs.part_progress import PartProgress
from fsd.third_party.adapter import Adapter, check_model, load_adapter
from fsd.third_party.images.layout import tensor_shape
from fsd.third_party.ready_adapters import adapter_file


@dataclass(frozen=True)
class AdaptedExport:
    """What was written, and the fine-tuning before it, if there was one."""

    exported: Exported
    fine_tuned: FineTuned | None


def export_adapted(
    config: AdaptedExportConfig,
    clips: Sequence[Path],
    progress: ProgressCallback = lambda message: None,
    write_page: Callable[[Exported], None] = lambda exported: None,
    measure_clips: MeasureClips = in_turn,
) -> AdaptedExport:
    """Export a third-party model, calibrated and proven on recordings.

    Args:
        clips: recordings for calibration and proof.
        progress, write_page, measure_clips: as in `export_model`.

    Raises:
        ClipError: a recording cannot be read.
        ModelError: the model cannot be loaded, run or quantized, or the adapter does not fit it.
        OutputError: the folder cannot be written, or another run holds it.
        UsageError: options that do not go together.
    """
    if config.adapter is None:
        raise UsageError(needs_adapter(config.model))
    if not clips:
        raise UsageError("A third-party model is calibrated and compared on recordings: name some with `--data`.")
    adapter = load_adapter(config.adapter)
    progress("loading the model")
    loaded = _load(config, adapter)
    signature = tensor_shapes(loaded.model.graph.input)
    outputs = tensor_shapes(loaded.model.graph.output)
    check_model(adapter, signature, outputs, f"{config.adapter} does not fit {loaded.origin}")
    _check_opset(loaded, config)

    def make_feeds() -> AdapterFeeds:
        return AdapterFeeds(adapter, signature)

    share = KEEP_BYTES // (len(clips) + len(config.qat))
    drives = [AdaptedClip(path, adapter, signature, keep_bytes=share) for path in clips]
    _check_runs(loaded, make_feeds, drives[0])
    if isinstance(progress, PartProgress):
        progress.watch(drives)
    measure = AdapterMeasure(adapter)
    tuned = _fine_tuned(config, loaded, adapter, signature, make_feeds, measure, share, progress)
    files = [Path(name) for name in config.model if Path(name).is_file()]
    source = ModelSource(
        name=re.sub(r"[^A-Za-z0-9_-]+", "_", loaded.name),
        model=loaded.model,
        make_feeds=make_feeds,
        measure=measure,
        pytorch=None if loaded.torch is None else WatchedModel(loaded.torch.watched, loaded.torch.run),
        sha256=_sha256(files, loaded.model),
        is_trained=adapter.trained,
        weights_beside=any(path.suffix == ".onnx" and uses_external_data(path) for path in files),
        properties={entry.key: entry.value for entry in loaded.model.metadata_props},
        to_quantize=None if tuned is None or tuned.best_step == 0 else _onnx_of(tuned, loaded, config, adapter),
    )
    read = [*files, adapter_file(config.adapter), *clips, *config.qat]
    return AdaptedExport(export_model(source, config, drives, progress, write_page, read, measure_clips), tuned)


def needs_adapter(models: Sequence[str]) -> str:
    """The sentence for a model without an adapter."""
    named = " ".join(models)
    how = f"write a first one with `fsd adapter init {named}`" if named.endswith(".onnx") else "see docs/adapter.md"
    return (
        f"{named} needs an adapter, which says what its inputs and outputs mean: {how}, and give it with `--adapter`."
    )


def _load(config: AdaptedExportConfig, adapter: Adapter) -> LoadedModel:
    """The model, or several merged by the adapter's links."""
    kinds = {kind_of(model) for model in config.model}
    if len(config.model) == 1:
        example = {image.name: np.zeros(tensor_shape(image), np.float32) for image in adapter.images}
        example |= {name: np.zeros(shape, np.float32) for name, shape in adapter.shapes.items()}
        return load_source(config.model[0], adapter.shapes, example, config.opset)
    if kinds != {"onnx"}:
        raise UsageError(f"Several models are merged only if all are .onnx files; got {' '.join(config.model)}.")
    parts = [load_source(model, adapter.shapes) for model in config.model]
    origin = " and ".join(part.origin for part in parts)
    merged = merge_models([part.model for part in parts], adapter.links, origin)
    return LoadedModel(origin, "_".join(part.name for part in parts), merged)


def _check_opset(loaded: LoadedModel, config: AdaptedExportConfig) -> None:
    symmetric = [target for target in config.targets if RECIPES[target].symmetric]
    opset = opset_of(loaded.model)
    if "int8" in config.variants and symmetric and opset > LAST_SYMMETRIC_OPSET:
        raise ModelError(
            f"{loaded.origin} has opset {opset}, and INT8 for {', '.join(symmetric)} needs {LAST_SYMMETRIC_OPSET} or "
            "lower: ONNX Runtime, which runs the proof, does not load symmetric pairs of later opsets. Export it again "
            "with a lower opset."
        )


def _check_runs(loaded: LoadedModel, make_feeds: MakeFeeds, drive: AdaptedClip) -> None:
    """Run the model on the first step of a recording, so that what is wrong is reported under the model's name."""
    step = next(iter(drive), None)
    if step is None:
        raise ModelError(f"{drive.path} has no ticks to calibrate on. Name other clips with `--data`.")
    feeds = make_feeds()
    feeds.load(step)
    check_runs(loaded.model, feeds.arrays, loaded.origin)


def _fine_tuned(
    config: AdaptedExportConfig,
    loaded: LoadedModel,
    adapter: Adapter,
    signature: Signature,
    make_feeds: MakeFeeds,
    measure: AdapterMeasure,
    keep_bytes: int,
    progress: ProgressCallback,
) -> FineTuned | None:
    if not config.qat:
        return None
    if loaded.torch is None:
        raise UsageError("--qat fine-tunes a PyTorch module: name the function that makes it (`module:function`).")
    graph = prepare(loaded.model)
    chosen = set(choose_nodes(graph, measure.outputs, config.include, config.exclude))
    in_float = {node.name.rpartition("/")[0] for node in graph.graph.node if node.op_type in WEIGHTED} - {
        name.rpartition("/")[0] for name in chosen
    }
    drives = [AdaptedClip(path, adapter, signature, keep_bytes=keep_bytes) for path in config.qat]
    progress(f"fine-tuning on {counted(len(drives), 'recording')}")
    return fine_tune(loaded.torch, drives, make_feeds, measure, config.steps, in_float, progress)


def _onnx_of(tuned: FineTuned, loaded: LoadedModel, config: AdaptedExportConfig, adapter: Adapter) -> onnx.ModelProto:
    return with_fixed_axes(tuned.model.to_onnx(config.opset), loaded.origin, adapter.shapes)


def _sha256(files: Sequence[Path], model: onnx.ModelProto) -> str:
    """Digest of what was read: of the file, or else of the graph and its weights."""
    if len(files) == 1:
        return file_sha256(files[0])
    digest = hashlib.sha256()
    if files:
        for path in files:
            digest.update(file_sha256(path).encode())
        return digest.hexdigest()
    for part in (*model.graph.node, *model.graph.initializer):
        digest.update(part.SerializeToString(deterministic=True))
    return digest.hexdigest()
