"""Export any stateful model: FP32, INT8 for each runtime and other variants, and the proof that they agree.

The caller says what the model is: its graph, how its inputs and state are fed, what its outputs mean. This module does
not know where these come from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from fsd.data.errors import ModelError
from fsd.data.result_folder import result_folder
from fsd.export.calibration import Calibration
from fsd.export.clip_measure import MeasureClips, in_turn
from fsd.export.config import ModelExportConfig
from fsd.export.divergence import TorchModel
from fsd.export.graph_smoothing import measure_scales, smooth
from fsd.export.layer_inputs import WEIGHTED
from fsd.export.metadata import write_third_party
from fsd.export.model_file import DATA_SUFFIX
from fsd.export.node_choice import choose_nodes
from fsd.export.onnx_runner import Clip, MakeFeeds, OnnxRunner, open_model
from fsd.export.parity import FP16, FP32
from fsd.export.plan_measure import OutputMeasure, PlanMeasure, output_magnitudes
from fsd.export.prepared_graph import prepare
from fsd.export.recipes import RECIPES
from fsd.export.sensitivity import ProgressCallback, Sensitivity
from fsd.export.speed import Speed, measure_speed
from fsd.export.steps import (
    INT8,
    PARITY_FILE,
    SENSITIVITY_FILE,
    Exported,
    QuantizableModel,
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
from fsd.export.variants import to_dynamic, to_half_anywhere, to_weights4, to_weights8
from fsd.networks.export_record import ExportRecord

NAMED_LAYERS = 20
"""Float layers that the notes of a file name."""


@dataclass(frozen=True)
class ModelSource:
    """A model to export.

    Attributes:
        name: of the written files; letters, digits, `-` and `_`.
        model: the FP32 (or FP16) graph with its weights in memory.
        make_feeds: makes its inputs and state.
        measure: what its outputs mean; None compares all outputs, each relative to its magnitude.
        pytorch: the model in PyTorch, if there is one.
        plan_outputs: outputs whose last layers stay in float; None takes those that `measure` reads.
        sha256: digest of the file that the model came from; empty if there is none.
        is_trained: repeated in all results.
        weights_beside: keep the weights of every written file in a file of their own.
        properties: metadata of the source to keep.
        to_quantize: the same model with weights fine-tuned for INT8, which the INT8 files are made of; they are
            compared with `model`.
    """

    name: str
    model: onnx.ModelProto
    make_feeds: MakeFeeds
    measure: PlanMeasure | None = None
    pytorch: TorchModel | None = None
    plan_outputs: tuple[str, ...] | None = None
    sha256: str = ""
    is_trained: bool = True
    weights_beside: bool = False
    properties: Mapping[str, str] | None = None
    to_quantize: onnx.ModelProto | None = None


def export_model(
    source: ModelSource,
    config: ModelExportConfig,
    clips: Sequence[Clip],
    progress: ProgressCallback = lambda message: None,
    write_page: Callable[[Exported], None] = lambda exported: None,
    inputs: Sequence[Path] = (),
    measure_clips: MeasureClips = in_turn,
) -> Exported:
    """Export a model, calibrated on rolled-out state, and prove the files.

    Args:
        clips: drives, each iterable more than once; their steps are what the feeds load.
        progress: called with a short description of each step.
        write_page: called last; may write `parity.html` beside `parity.json`.
        inputs: files that are read, which no result may replace.
        measure_clips: measures the clips for calibration; by default one after the other.

    Raises:
        ModelError: the graph cannot be run or quantized, or a limit of mixed precision cannot be reached.
        OutputError: the folder cannot be written, or another run holds it.
        UsageError: a pattern matches nothing, or a file would replace one that is read.
    """
    read = [*inputs, *([config.calibration] if config.calibration is not None else [])]
    with result_folder(config.out, "export", _file_names(source, config), read) as folder:
        progress("preparing the graph")
        graph = prepare(source.model)
        measure = source.measure or _output_measure(source, clips)
        work = _Work(source, config, graph, measure, progress, measure_clips)
        folder.set_aside()
        written = work.run(clips)
        write_page(written)
    return written


def _output_measure(source: ModelSource, clips: Sequence[Clip]) -> PlanMeasure:
    runner = OnnxRunner(open_model(source.model), source.make_feeds)
    return OutputMeasure(output_magnitudes(runner, clips, source.plan_outputs))


@dataclass
class _Work:
    """One export: its settings, the prepared float `graph`, and what is written."""

    source: ModelSource
    config: ModelExportConfig
    graph: onnx.ModelProto
    measure: PlanMeasure
    progress: ProgressCallback
    measure_clips: MeasureClips

    def run(self, clips: Sequence[Clip]) -> Exported:
        source, config = self.source, self.config
        fp32 = self.write(source.model, "fp32", "fp32", "any")
        others: dict[str, Path] = {}
        graphs: dict[str, onnx.ModelProto] = {}
        sensitivities: dict[str, Sensitivity] = {}
        if "fp16" in config.variants:
            self.progress("converting to FP16")
            half, notes = to_half_anywhere(self.graph, config.float_nodes)
            others[FP16] = self.write(half, "fp16", "fp16", "any", notes)
        others |= self.write_weight_variants()
        calibration_file: Path | None = None
        if "int8" in config.variants:
            smoothed, calibration = self.calibrated(clips)
            calibration_file = config.calibration or config.out / calibration_file_name(source.name)
            if config.calibration is None:
                calibration.save(calibration_file)
            for target in config.targets:
                made = quantized(smoothed, config, calibration, RECIPES[target], clips, (), self.progress)
                others[int8_name(target)] = self.write(
                    made.graph, int8_suffix(target), "int8", target, made.notes, pair_safe=made.pair_safe
                )
                if made.sensitivity is not None:
                    sensitivities[target] = made.sensitivity
            graphs[INT8] = smoothed.graph
        write_sensitivity(config.out, sensitivities)
        written = Exported(source.name, source.is_trained, fp32, others, calibration_file, None, None, sensitivities)
        return self.proven(written, graphs, clips)

    def calibrated(self, clips: Sequence[Clip]) -> tuple[QuantizableModel, Calibration]:
        """The graph with smoothed channels, and its ranges: stored, or measured on the first part of every clip."""
        source, config = self.source, self.config
        graph = self.graph if source.to_quantize is None else prepare(source.to_quantize)
        outputs = self.measure.outputs if source.plan_outputs is None else source.plan_outputs
        nodes = choose_nodes(graph, outputs, config.include, config.exclude)
        if config.calibration is not None:
            stored = Calibration.load(config.calibration)
            if stored.weights_sha256 != source.sha256:
                raise ModelError(
                    f"{config.calibration} was made with another model, which has other ranges. Leave `--calibration` "
                    "out."
                )
            return self.quantizable(graph, nodes, stored.scales), stored
        scales: dict[str, list[float]] = {}
        if config.smoothing and source.to_quantize is None:  # fine-tuned weights stay as they were rounded
            self.progress("smoothing")
            parts = calibration_parts(config, clips)
            every, roll_out = config.calibration_every, config.roll_out
            scales = measure_scales(graph, source.make_feeds, parts, nodes, every, roll_out, self.measure_clips)
        self.progress("calibrating")
        model = self.quantizable(graph, nodes, scales)
        found = calibrated(model, config, clips, self.measure_clips)
        return model, replace(found, scales=scales, weights_sha256=source.sha256)

    def quantizable(
        self, graph: onnx.ModelProto, nodes: Sequence[str], scales: Mapping[str, Sequence[float]]
    ) -> QuantizableModel:
        """The graph to quantize: a smoothed copy if there are scales, since other files are made of the graph as is."""
        if scales:
            smoothed = onnx.ModelProto()
            smoothed.CopyFrom(graph)
            smooth(smoothed, scales, nodes)
            graph = smoothed
        weighted = [node.name for node in graph.graph.node if node.op_type in WEIGHTED]
        left = [name for name in weighted if name not in set(nodes)]
        more = len(left) - NAMED_LAYERS
        notes = {
            "quantized": f"{len(weighted) - len(left)} convolutions and matrix products",
            "float": ", ".join([*left[:NAMED_LAYERS], *([f"{more} more"] if more > 0 else [])]),
            "smoothing": f"of the channels of {len(scales)} norms (SmoothQuant)" if scales else "none",
        }
        return QuantizableModel(graph, nodes, self.source.make_feeds, self.measure, notes)

    def write_weight_variants(self) -> dict[str, Path]:
        """Files that need no calibration."""
        written = {}
        for variant, make in (("weights8", to_weights8), ("weights4", to_weights4), ("dynamic", to_dynamic)):
            if variant in self.config.variants:
                self.progress(f"writing {variant}")
                made = make(self.graph, self.config.exclude)
                written[f"onnx_{variant}"] = self.write(
                    made.graph, variant, variant, made.target, made.notes, pair_safe=made.pair_safe
                )
        return written

    def proven(self, written: Exported, graphs: Mapping[str, onnx.ModelProto], clips: Sequence[Clip]) -> Exported:
        """The result with its proof and the speed beside it, as far as they are wanted."""
        config, source = self.config, self.source
        if not config.parity_ticks:
            return written
        self.progress("checking parity")
        model = QuantizableModel(self.graph, (), source.make_feeds, self.measure)
        graphs = {**graphs, FP32: self.graph}
        report = prove(model, config, written.fp32, written.others, graphs, clips, source.pytorch, config.calibration)
        speed: tuple[Speed, ...] = ()
        if config.speed_rounds and written.others:
            self.progress("measuring speed")
            files = {FP32: written.fp32, **written.others}
            speed = measure_speed(files, source.make_feeds, clips[0], rounds=config.speed_rounds)
        parity = write_report(config.out, report, {"speed": [each.to_dict() for each in speed]})
        return replace(written, report=report, parity=parity, speed=speed)

    def write(
        self,
        graph: onnx.ModelProto,
        suffix: str,
        precision: str,
        target: str,
        notes: Mapping[str, str] | None = None,
        *,
        pair_safe: bool = False,
    ) -> Path:
        """Write one model file."""
        source = self.source
        record = ExportRecord(source.name, precision, target, source.sha256, dict(notes or {}), pair_safe)
        path = self.config.out / model_file_name(source.name, suffix)
        write_third_party(graph, record, path, source.properties, external=source.weights_beside)
        return path


def _file_names(source: ModelSource, config: ModelExportConfig) -> list[str]:
    """What an export writes, or sets aside: a proof of earlier files says nothing of new ones."""
    suffixes = ["fp32", *(variant for variant in config.variants if variant != "int8")]
    names = []
    if "int8" in config.variants:
        suffixes += [int8_suffix(target) for target in config.targets]
        names += [calibration_file_name(source.name)] if config.calibration is None else []
    files = [model_file_name(source.name, suffix) for suffix in suffixes]
    names += [*files, *(f"{file}{DATA_SUFFIX}" for file in files)]
    return [*names, SENSITIVITY_FILE, PARITY_FILE, PARITY_FILE.replace(".json", ".html")]
