"""Export weights to model files and check them: FP32, INT8 for each runtime, FP16, metadata, and the parity report.

Combines the steps and chooses file names; every step is a module of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import onnx

from fsd.compression.budget import ALL_BUDGETS, DEFAULT_BUDGET
from fsd.data.errors import ModelError, UsageError
from fsd.data.result_folder import result_folder
from fsd.export.calibration import Calibration
from fsd.export.clip_measure import MeasureClips, in_turn
from fsd.export.config import BATCH_AXIS, ExportConfig
from fsd.export.divergence import TorchModel
from fsd.export.half_precision import to_half
from fsd.export.metadata import write_model
from fsd.export.network_nodes import NOTES, quantized_nodes, transformer_layers
from fsd.export.network_reference import network_feeds, network_reference
from fsd.export.node_choice import with_patterns
from fsd.export.onnx_export import export_onnx, hypotheses_mps2, simplify
from fsd.export.onnx_runner import Clip, OnnxRunner, open_model
from fsd.export.parity import FP32, FP32_BATCH
from fsd.export.plan_measure import TrajectoryMeasure
from fsd.export.recipes import RECIPES
from fsd.export.sensitivity import ProgressCallback, Sensitivity
from fsd.export.smoothing import measure_scales, smoothed
from fsd.export.steps import (
    INT8,
    PARITY_FILE,
    SENSITIVITY_FILE,
    Exported,
    QuantizableModel,
    QuantizedGraph,
    calibrated,
    calibration_file_name,
    calibration_parts,
    int8_name,
    int8_suffix,
    model_file_name,
    prove,
    quantized,
    write_report,
    write_sensitivity,
)
from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks import stored_tick
from fsd.networks.config import NetworkConfig
from fsd.networks.input_buffers import TickInput
from fsd.networks.model import DrivingNetwork
from fsd.networks.model_metadata import describe
from fsd.networks.weights import WeightsHeader, load_weights, standard_config, untrained, weights_sha256, with_budget

SYNTHETIC_CLIPS, SYNTHETIC_TICKS = 4, 240

NO_FEEDBACK = (
    "How far the files drift apart where each chooses its own patches is not checked: generated ticks have no pictures "
    "to choose from. Name recordings with `--data`."
)


@dataclass(frozen=True)
class _Source:
    """The network and its metadata for every file; `graph` is its FP32 ONNX, `smooth` the one to quantize."""

    network: DrivingNetwork
    header: WeightsHeader
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
        path = self.folder / model_file_name(name, suffix)
        metadata = describe(
            name,
            budget,
            self.header.trained,
            precision,
            target,
            self.weights_sha256,
            notes,
            pair_safe,
            hypotheses_mps2(self.network),
            self.header.trained_on,
        )
        write_model(graph, metadata, path, properties)
        return path

    def write_int8(self, made: QuantizedGraph, target: str, tick: TickInput) -> Path:
        """Write an INT8 file, with `tick` and the memory that it must give stored inside."""
        runner = OnnxRunner(open_model(made.graph), network_feeds(self.network))
        expected = runner.step(tick)[stored_tick.EXPECTED]
        runner.reset()
        runner.feeds.load(tick)
        return self.write(
            made.graph,
            int8_suffix(target),
            "int8",
            target,
            made.notes,
            pair_safe=made.pair_safe,
            properties={stored_tick.PROPERTY_KEY: stored_tick.encode(runner.feeds.arrays, expected)},
        )

    def quantizable(self, config: ExportConfig) -> QuantizableModel:
        """What the shared steps need."""
        nodes = with_patterns(self.smooth, quantized_nodes(self.smooth), config.include, config.exclude)
        return QuantizableModel(self.smooth, nodes, network_feeds(self.network), TrajectoryMeasure(), NOTES)


def export(
    config: ExportConfig,
    clips: Sequence[Clip] | None = None,
    progress: ProgressCallback = lambda message: None,
    write_page: Callable[[Exported], None] = lambda exported: None,
    measure_clips: MeasureClips = in_turn,
) -> Exported:
    """Export and quantize a network, and check parity.

    Args:
        clips: drives for calibration and the parity check, each iterable more than once (a `RecordedClip`, or a list
            of steps); None uses synthetic ones, which suit only an untrained network.
        progress: called with a short description of each step.
        write_page: called last; may write `parity.html` beside `parity.json`.
        measure_clips: measures the clips for calibration; by default one after the other.

    Raises:
        ModelError: the weights do not load, or the graph cannot be exported or quantized.
        OutputError: the folder cannot be written, or another run holds it.
        UsageError: the device is not available, or a file would replace one that is read.
    """
    check_device(config.device)
    network, header, sha256 = load_network(config)
    if clips is None:
        if header.trained and (config.int8 or config.parity_ticks):
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
        written = _export(
            config, _Source(network, header, sha256, graph, graph, config.out), clips, progress, measure_clips
        )
        write_page(written)
    return written


def _export(
    config: ExportConfig,
    source: _Source,
    clips: Sequence[Clip],
    progress: ProgressCallback,
    measure_clips: MeasureClips,
) -> Exported:
    network, trained, graph = source.network, source.header.trained, source.graph
    fp32 = source.write(graph, "fp32", "fp32", "any")
    others: dict[str, Path] = {}
    calibration_file: Path | None = None
    sensitivities: dict[str, Sensitivity] = {}
    if config.int8:
        source, calibration = _calibrated(config, source, clips, progress, measure_clips)
        calibration_file = config.calibration or config.out / calibration_file_name(network.config.budget.name.lower())
        if config.calibration is None:
            calibration.save(calibration_file)
        model = source.quantizable(config)
        kept = transformer_layers(source.smooth) if config.float_transformer else []
        for target in config.targets:
            made = quantized(model, config, calibration, RECIPES[target], clips, kept, progress)
            others[int8_name(target)] = source.write_int8(made, target, next(iter(clips[0])))
            if made.sensitivity is not None:
                sensitivities[target] = made.sensitivity
    if config.half:
        progress("converting to FP16")
        notes = {"format": "FP16", "float": "plan head, token and memory geometry, ego encoder; inputs and outputs"}
        others["onnx_fp16"] = source.write(to_half(graph), "fp16", "fp16", "any", notes)
    if BATCH_AXIS in config.dynamic:
        progress("exporting with a free batch")
        notes = {"batch": "first axis of every input and output, of any size; `fsd replay` needs a file without it"}
        batched = export_onnx(network, config.opset, free_batch=True)
        others[FP32_BATCH] = source.write(batched, "fp32_batch", "fp32", "any", notes)
    write_sensitivity(config.out, sensitivities)

    report, parity = None, None
    if config.parity_ticks:
        progress("checking parity")
        model = QuantizableModel(graph, (), network_feeds(network), TrajectoryMeasure())
        graphs = {INT8: source.smooth, FP32: graph}
        pytorch = TorchModel(network, network_reference(network, config.device))
        report = prove(model, config, fp32, others, graphs, clips, pytorch, config.calibration)
        if config.int8 and not report.feedback:
            report = replace(report, notes=(*report.notes, NO_FEEDBACK))
        parity = write_report(config.out, report)
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


def synthetic_clips(config: NetworkConfig) -> list[list[TickInput]]:
    """Synthetic drives; the last one lacks a camera."""
    return [
        list(synthetic_steps(config.budget, SYNTHETIC_TICKS, seed, missing_camera=7 if seed == 3 else None))
        for seed in range(SYNTHETIC_CLIPS)
    ]


def load_network(config: ExportConfig) -> tuple[DrivingNetwork, WeightsHeader, str]:
    """The network to export, what its file says of it, and the digest of its weights.

    Raises:
        ModelError: the weights do not load, or do not serve the budget.
    """
    if config.weights is None:
        network = untrained(standard_config(ALL_BUDGETS[config.budget or DEFAULT_BUDGET]), config.seed)
        return network, WeightsHeader(asdict(network.config), trained=False, notes={}), ""
    network, header = load_weights(config.weights)
    if config.budget is not None:
        network = with_budget(network, ALL_BUDGETS[config.budget], str(config.weights))
    return network, header, weights_sha256(config.weights)


def _file_names(config: ExportConfig, budget: str) -> list[str]:
    """What an export writes, or sets aside: a proof of earlier files says nothing of new ones."""
    names = [model_file_name(budget, "fp32")]
    if config.int8:
        names += [model_file_name(budget, int8_suffix(target)) for target in config.targets]
        names += [calibration_file_name(budget)] if config.calibration is None else []
    names += [model_file_name(budget, "fp16")] if config.half else []
    names += [model_file_name(budget, "fp32_batch")] if BATCH_AXIS in config.dynamic else []
    return [*names, SENSITIVITY_FILE, PARITY_FILE, PARITY_FILE.replace(".json", ".html")]


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
    config: ExportConfig,
    source: _Source,
    clips: Sequence[Clip],
    progress: ProgressCallback,
    measure_clips: MeasureClips,
) -> tuple[_Source, Calibration]:
    """The source with its smoothed graph, and the calibration: stored, or measured on the first part of every clip."""
    network, every = source.network, config.calibration_every
    stored = _stored_calibration(config, source)
    if stored is None:
        progress("smoothing")
        scales = measure_scales(network, calibration_parts(config, clips), every, measure_clips)
    else:
        scales = stored.scales
    source = replace(source, smooth=_graph(config, smoothed(network, scales), progress))
    if stored is not None:
        return source, stored
    progress("calibrating")
    found = calibrated(source.quantizable(config), config, clips, measure_clips)
    return source, replace(found, scales=scales, weights_sha256=source.weights_sha256)
