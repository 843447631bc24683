"""`fsd adapter init`: write a first adapter for a model."""

import json

from fsd.adapting.config import AdapterInitConfig
from fsd.adapting.draft import Tensors
from fsd.adapting.guess import guess_adapter
from fsd.data.errors import UsageError
from fsd.data.files import write_text, writing_to
from fsd.networks.onnx_session import open_session, session_signature
from fsd.outputs.adapter_summary import AdapterGuess, AdapterInitSummary
from fsd.third_party.adapter import TODO


def init_adapter(config: AdapterInitConfig) -> AdapterInitSummary:
    """Write a first adapter to `config.out`.

    Raises:
        UsageError: the file exists.
        ModelError: a model cannot be loaded.
        OutputError: the file cannot be written.
    """
    if config.out.exists():
        raise UsageError(f"{config.out} exists and is not replaced. Name another file with --out, or move it away.")
    models = []
    for path in config.models:
        # As it is: optimising would copy the weights. The session ends before the next model is loaded.
        session = open_session(path, optimise=False, prepack=False)
        inputs, outputs = session_signature(session.get_inputs()), session_signature(session.get_outputs())
        models.append(Tensors(path.name, inputs, outputs))
        del session
    draft = guess_adapter(config.models[0].stem, models)
    with writing_to(config.out.parent):
        config.out.parent.mkdir(parents=True, exist_ok=True)
        write_text(config.out, json.dumps(draft.content(), indent=2) + "\n")
    return AdapterInitSummary(
        adapter=str(config.out),
        models=tuple(str(path) for path in config.models),
        guesses=tuple(AdapterGuess(**guess._asdict()) for guess in draft.guesses),
        undecided=tuple(guess.field for guess in draft.guesses if guess.certainty == TODO),
    )
