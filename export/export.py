"""Export weights to model files and check them: FP32, INT8 for each runtime, FP16, metadata, and the parity report.

Combines the steps and chooses file names; every step is a module of its own.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import onnx

from fsd.compression.budget import BUDGETS
from fsd.data.errors import ModelError, UsageError
from fsd.data.files import write_text
from fsd.data.result_folder import result_folder
from fsd.export.calibration import Calibration, Clip, calibrate
from fsd.export.config import BATCH_AXIS, ExportConfig
from fsd.export.divergence import locate
from fsd.export.half_precision import to_half
from fsd.export.metadata import write_model
from fsd.export.onnx_export import export_onnx, simplify
from fsd.export.onnx_runner import OnnxRunner, open_model
from fsd.export.pair_safe import saturating_pairs
from fsd.export.parity import FP32_BATCH, ParityReport, compare
from fsd.export.quantize import activations_of, quantize, quantized_nodes, transformer_layers
from fsd.export.recipes import RECIPES, Recipe
from fsd.export.sensitivity import (
    ProgressCallback,
    QuantizationTrial,
    Sensitivity,
    choose_float_layers,
    measure,
    sensitivity_content,
)
from fsd.export.smoothing import measure_scales, smoothed
from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks import stored_tick
from fsd.networks.config import NetworkConfig
from fsd.networks.input_buffers import TickInput
from fsd.networks.model import DrivingNetwork
from fsd.networks.model_metadata import describe
from fsd.networks.weights import load_weights, untrained, weights_sha256

SYNTHETIC_CLIPS, SYNTHETIC_TICKS = 4, 240
SENSITIVITY_FILE, PARITY_FILE = "sensitivity.json", "parity.json"


@dataclass(frozen=True)
class Exported:
    """What `export` wrote: the FP32 file, the `others` by their name in the report, and the optional results.

    `name` is the network's budget.
    """

    name: str
    is_trained: bool
    fp32: Path
    others: Mapping[str, Path]
    calibration: Path | None
    parity: Path | None
    report: ParityReport | None
    sensitivity: Mapping[str, Sensitivity]

    @property
    def int8(self) -> Path | None:
        """The first INT8 file, if there is one."""
        return next((path for name, path in self.others.items() if name.startswith("onnx_int8")), None)


@dataclass(frozen=True)
class _Source:
    """The network and its metadata for every file; `graph` is its FP32 ONNX, `smooth` the one to quantize."""

    network: DrivingNetwork
    trained: bool
    weights_sha256: str
    graph: onnx.ModelProto
    smooth: onnx.ModelProto
    folder: Path

    def write(
        self,
        graph: onnx.ModelProto,
        suffix: str,
        precision: str,
        target: str,
        notes: Mapping[str, str] | None = None,
        *,
        pair_safe: bool = False,
        properties: Mapping[str, str] | None = None,
    ) -> Path:
        """Write a model file; `properties` as in `write_model`."""
        budget = self.network.config.budget
        name = budget.name.lower()
        path = self.folder / _model_name(name, suffix)
        metadata = describe(name, budget, self.trained, precision, target, self.weights_sha256, notes, pair_safe)
        write_model(graph, metadata, path, properties)
        return path

    def write_int8(self, graph: onnx.ModelProto, recipe: Recipe, notes: Mapping[str, str], tick: TickInput) -> Path:
        """Write an INT8 file, with `tick` and the memory that it must give stored inside."""
        runner = OnnxRunner(open_model(graph), self.network.config.budget)
        expected = runner.step(tick)[stored_tick.EXPECTED]
        runner.reset()
        runner.feeds.load(tick)
        return self.write(
            graph,
            _int8_suffix(recipe.target),
            "int8",
            recipe.target,
            notes,
            pair_safe=not recipe.symmetric and saturating_pairs(graph) == 0,
            properties={stored_tick.PROPERTY_KEY: stored_tick.encode(runner.feeds.arrays, expected)},
        )


def export(
    config: ExportConfig,
    clips: Sequence[Clip] | None = None,
    progress: ProgressCallback = lambda message: None,
    write_page: Callable[[Exported], None] = lambda exported: None,
) -> Exported:
    """Export and quantize a network, and check parity.

    Args:
        clips: drives for calibration and the parity check, each iterable more than once (a `RecordedClip`, or a list
            of steps); None uses synthetic ones, which suit only an untrained network.
        progress: called with a short description of each step.
        write_page: called last; may write `parity.html` beside `parity.json`.

    Raises:
        ModelError: the weights do not load, or the graph cannot be exported or quantized.
        OutputError: the folder cannot be written, or another run holds it.
        UsageError: the device is not available, or a file would replace one that is read.
    """
    check_device(config.device)
    network, trained, sha256 = _network(config)
    if clips is None:
        if trained and (config.int8 or config.parity_ticks):
            raise ModelError(
                "A trained network must be calibrated on recordings: synthetic ticks give unrealistic ranges. "
                "Name recordings with `--data`."
            )
        clips = synthetic_clips(network.config)
    names = _file_names(config, network.config.budget.name.lower())
    inputs = [path for path in (config.weights, config.calibration) if path is not None]
    with result_folder(config.out, "export", names, inputs) as folder:
        progress("exporting")
        graph = _graph(config, network, progress)
        folder.set_aside()
        written = _export(config, _Source(network, trained, sha256, graph, graph, config.out), clips, progress)
        write_page(written)
    return written


def _export(config: ExportConfig, source: _Source, clips: Sequence[Clip], progress: ProgressCallback) -> Exported:
    network, trained, graph = source.network, source.trained, source.graph
    fp32 = source.write(graph, "fp32", "fp32", "any")
    others: dict[str, Path] = {}
    calibration_file, sensitivities = None, {}
    if config.int8:
        source, calibration = _calibrated(config, source, clips, progress)
        calibration_file = config.calibration or config.out / _calibration_name(network.config.budget.name.lower())
        if config.calibration is None:
            calibration.save(calibration_file)
        for target in config.targets:
            name = "onnx_int8" if target == "ort-cpu" else f"onnx_int8_{target}"
            others[name], sensitivity = _int8(config, source, calibration, RECIPES[target], clips, progress)
            if sensitivity is not None:
                sensitivities[target] = sensitivity
    if config.half:
        progress("converting to FP16")
        notes = {"format": "FP16", "float": "plan head, token and memory geometry, ego encoder; inputs and outputs"}
        others["onnx_fp16"] = source.write(to_half(graph), "fp16", "fp16", "any", notes)
    if BATCH_AXIS in config.dynamic:
        progress("exporting with a free batch")
        notes = {"batch": "first axis of every input and output, of any size; `fsd replay` needs a file without it"}
        batched = export_onnx(network, config.opset, free_batch=True)
        others[FP32_BATCH] = source.write(batched, "fp32_batch", "fp32", "any", notes)
    if sensitivities:
        content = json.dumps(sensitivity_content(sensitivities), indent=1)
        write_text(config.out / SENSITIVITY_FILE, content + "\n")

    report, parity = None, None
    if config.parity_ticks:
        progress("checking parity")
        report = compare(network, fp32, others, _first_ticks(clips, config.parity_ticks), device=config.device)
        failures = _with_places(report, source, others, clips)
        report = replace(report, failures=failures, notes=_coverage(report, config))
        parity = config.out / PARITY_FILE
        write_text(parity, json.dumps(report.to_dict(), indent=1) + "\n")
    name = network.config.budget.name
    return Exported(name, trained, fp32, others, calibration_file, parity, report, sensitivities)


def check_device(device: str) -> None:
    """Check that PyTorch supports a device.

    Raises:
        UsageError: it does not, or the name is unknown.
    """
    import torch

    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda"):
        raise UsageError(f"--device takes cpu, cuda or cuda:N, got {device!r}.")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"--device {device}: PyTorch finds no CUDA GPU here. Leave `--device` out to use the CPU.")


def synthetic_clips(config: NetworkConfig) -> list[Clip]:
    """Synthetic drives; the last one lacks a camera."""
    return [
        list(synthetic_steps(config.budget, SYNTHETIC_TICKS, seed, missing_camera=7 if seed == 3 else None))
        for seed in range(SYNTHETIC_CLIPS)
    ]


def _network(config: ExportConfig) -> tuple[DrivingNetwork, bool, str]:
    """The network, whether it was trained, and the digest of its weights."""
    if config.weights is None:
        return untrained(NetworkConfig(BUDGETS[config.budget]), config.seed), False, ""
    network, header = load_weights(config.weights)
    return network, header.trained, weights_sha256(config.weights)


def _file_names(config: ExportConfig, budget: str) -> list[str]:
    """What an export writes, or sets aside: a proof of earlier files says nothing of new ones."""
    names = [_model_name(budget, "fp32")]
    if config.int8:
        names += [_model_name(budget, _int8_suffix(target)) for target in config.targets]
        names += [_calibration_name(budget)] if config.calibration is None else []
    names += [_model_name(budget, "fp16")] if config.half else []
    names += [_model_name(budget, "fp32_batch")] if BATCH_AXIS in config.dynamic else []
    return [*names, SENSITIVITY_FILE, PARITY_FILE, PARITY_FILE.replace(".json", ".html")]


def _model_name(budget: str, suffix: str) -> str:
    return f"{budget}_{suffix}.onnx"


def _calibration_name(budget: str) -> str:
    return f"{budget}_calibration.safetensors"


def _int8_suffix(target: str) -> str:
    return "int8" if target == "ort-cpu" else f"int8_{target}"


def _graph(config: ExportConfig, network: DrivingNetwork, progress: ProgressCallback) -> onnx.ModelProto:
    graph = export_onnx(network, config.opset)
    if not config.simplify:
        return graph
    simpler = simplify(graph)
    progress(f"simplified from {len(graph.graph.node)} to {len(simpler.graph.node)} nodes")
    return simpler


def _stored_calibration(config: ExportConfig, source: _Source) -> Calibration | None:
    """Load the calibration file, if one was named; it must belong to these weights."""
    if config.calibration is None:
        return None
    found = Calibration.load(config.calibration)
    if found.weights_sha256 != source.weights_sha256:
        raise ModelError(
            f"{config.calibration} was made with other weights, which have other ranges. Leave `--calibration` out."
        )
    return found


def _calibrated(
    config: ExportConfig, source: _Source, clips: Sequence[Clip], progress: ProgressCallback
) -> tuple[_Source, Calibration]:
    """The source with its smoothed graph, and the calibration: stored, or measured on the first part of every clip."""
    network, every = source.network, config.calibration_every
    stored = _stored_calibration(config, source)
    if stored is None:
        progress("smoothing")
        scales = measure_scales(network, [_first_share(clip, config.fraction) for clip in clips], every)
    else:
        scales = stored.scales
    source = replace(source, smooth=_graph(config, smoothed(network, scales), progress))
    if stored is not None:
        return source, stored
    progress("calibrating")
    nodes = quantized_nodes(source.smooth)
    tensors = activations_of(source.smooth, nodes)
    parts = [_first_share(clip, config.fraction) for clip in clips]
    found = calibrate(source.smooth, network.config.budget, tensors, parts, every, nodes)
    return source, replace(found, scales=scales, weights_sha256=source.weights_sha256)


def _int8(
    config: ExportConfig,
    source: _Source,
    calibration: Calibration,
    recipe: Recipe,
    clips: Sequence[Clip],
    progress: ProgressCallback,
) -> tuple[Path, Sensitivity | None]:
    """Write one runtime's INT8 file, with float layers if `float_transformer` or `mixed_m` requires them."""
    progress(f"quantizing for {recipe.target}")
    notes = {**recipe.summary(), "calibration": f"{calibration.ticks} ticks of {calibration.clips} rolled-out clips"}
    sensitivity: Sensitivity | None = None
    kept = transformer_layers(source.smooth) if config.float_transformer else []
    budget = source.network.config.budget
    if config.sensitivity or config.mixed_m is not None:
        trial = QuantizationTrial(source.smooth, calibration, recipe, budget, clips, config.sensitivity_ticks, kept)
        sensitivity = measure(trial, progress)
        if config.mixed_m is not None:
            chosen, left_m = choose_float_layers(trial, sensitivity, config.mixed_m)
            kept = [*kept, *chosen]
            notes["mixed"] = (
                f"{left_m:.4f} m from float at 3 s over {trial.ticks} ticks, {sensitivity.all_m:.4f} m with "
                f"none chosen; limit {config.mixed_m:g} m"
            )
    if config.float_transformer or config.mixed_m is not None:
        notes["float_layers"] = ", ".join(kept) or "only those of the recipe"
    graph = quantize(source.smooth, calibration, recipe, kept)
    first_tick = next(iter(clips[0]))
    return source.write_int8(graph, recipe, notes, first_tick), sensitivity


def _with_places(
    report: ParityReport, source: _Source, others: Mapping[str, Path], clips: Iterable[Clip]
) -> tuple[str, ...]:
    """The failures, each with the first layer to diverge."""

    def place(name: str) -> str:
        reference = source.smooth if name.startswith("onnx_int8") else source.graph
        return locate(name, report.comparisons[name].worst_tick, source.network, reference, others, clips)

    return tuple(f"{sentence} {place(name)}" for name, sentence in zip(report.failed, report.failures, strict=True))


def _coverage(report: ParityReport, config: ExportConfig) -> tuple[str, ...]:
    if report.ticks >= config.parity_ticks:
        return ()
    return (
        f"The clips have {report.ticks} of the requested {config.parity_ticks} ticks: growth over a longer drive is "
        "not checked. Name longer recordings with `--data`.",
    )


def _first_share(clip: Clip, fraction: float) -> Clip:
    """The first part of a clip; needs the clip's length unless `fraction` is 1."""
    if fraction == 1:
        return clip
    if not isinstance(clip, Sized):
        raise UsageError("`--fraction` needs clips of known length. Leave it out.")
    return islice(clip, max(round(len(clip) * fraction), 1))


def _first_ticks(clips: Iterable[Clip], count: int) -> Iterator[Clip]:
    """The first `count` ticks over all clips, clip by clip; each must be consumed before the next."""
    left = count
    for clip in clips:
        if left == 0:
            return

        def head(clip: Clip = clip) -> Iterator[TickInput]:
            nonlocal left
            for step in islice(clip, left):
                left -= 1
                yield step

        yield head()
