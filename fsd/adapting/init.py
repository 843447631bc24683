"""`fsd adapter init`: write a first adapter for a model."""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from fsd.adapting.config import AdapterInitConfig
from fsd.adapting.draft import Tensors
from fsd.adapting.guess import guess_adapter
from fsd.data.errors import ModelError, UsageError
from fsd.data.files import write_text, writing_to
from fsd.extras import install_line
from fsd.networks.onnx_session import Signature
from fsd.networks.onnx_signature import file_signatures
from fsd.outputs.adapter_summary import AdapterGuess, AdapterInitSummary
from fsd.third_party.adapter import TODO, Adapter, check_model, load_adapter
from fsd.third_party.ready_adapters import ready_names


def init_adapter(config: AdapterInitConfig) -> AdapterInitSummary:
    """Write a first adapter to `config.out`.

    Raises:
        UsageError: the file exists.
        ModelError: a model is missing or damaged.
        OutputError: the file cannot be written.
    """
    if config.out.exists():
        raise UsageError(f"{config.out} exists and is not replaced. Name another file with --out, or move it away.")
    models = [Tensors(path.name, *_signatures(path)) for path in config.models]
    draft = guess_adapter(config.models[0].stem.partition(":")[0], models)
    with writing_to(config.out.parent):
        config.out.parent.mkdir(parents=True, exist_ok=True)
        write_text(config.out, json.dumps(draft.content(), indent=2) + "\n")
    return AdapterInitSummary(
        adapter=str(config.out),
        models=tuple(str(path) for path in config.models),
        guesses=tuple(AdapterGuess(**guess._asdict()) for guess in draft.guesses),
        ready=fitting_adapters(models),
        undecided=tuple(guess.field for guess in draft.guesses if guess.certainty == TODO),
    )


def _signatures(model: Path) -> tuple[Signature, Signature]:
    """Inputs and outputs of an ONNX file, or of the one that `fsd export` makes of a PyTorch model."""
    is_function = ":" in model.name and not model.is_file()
    if model.suffix != ".pt2" and not is_function:
        return file_signatures(model)
    try:
        from fsd.export.model_source import load_source
    except ModuleNotFoundError as error:
        raise ModelError(f"{model} needs the package {error.name}:\n  {install_line('export')}") from error
    with TemporaryDirectory() as folder:
        made = Path(folder) / "model.onnx"
        made.write_bytes(load_source(str(model)).model.SerializeToString())
        return file_signatures(made)


def fitting_adapters(models: Sequence[Tensors]) -> tuple[str, ...]:
    """Names of the ready adapters whose inputs and outputs are exactly those of these models."""
    inputs: Signature = {}
    outputs: Signature = {}
    for model in models:
        inputs |= model.inputs
        for name, tensor in model.outputs.items():
            outputs[f"{Path(model.file).stem}.{name}" if name in outputs else name] = tensor
    return tuple(name for name in ready_names() if _fits(load_adapter(Path(name)), inputs, outputs))


def _fits(adapter: Adapter, inputs: Signature, outputs: Signature) -> bool:
    try:
        check_model(adapter, inputs, outputs, adapter.name)
    except ModelError:
        return False
    return True
