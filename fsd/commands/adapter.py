"""`fsd adapter init` and `fsd adapter check`: arguments, and what they print."""

import argparse
import shlex
import textwrap
from typing import TYPE_CHECKING, Any

import msgspec

from fsd.adapting.config import PAGE_FILE, SHEET_FILE, AdapterCheckConfig, AdapterInitConfig
from fsd.commands.arguments import add_common, add_options, config_from, path_argument
from fsd.commands.default_folder import choose_folder, numbered_text
from fsd.commands.exit_codes import DONE, OVER_LIMIT

if TYPE_CHECKING:
    from fsd.outputs.adapter_summary import AdapterCheckSummary, AdapterInitSummary

EPILOG = """examples:
  fsd adapter init my_network.onnx
  fsd adapter check my_network.onnx my_drive/ --adapter adapter.json
  fsd adapter check supercombo.onnx my_drive/ --adapter openpilot --strict

docs/adapter.md describes every field of an adapter, and lists the ready ones."""

VERBS: dict[str, tuple[str, type[Any]]] = {
    "init": (
        "write a first adapter from the names, shapes and types of a model's inputs and outputs",
        AdapterInitConfig,
    ),
    "check": ("run a model on one recording; show what it sees and plans, and what is suspicious", AdapterCheckConfig),
}
"""What `fsd adapter` does -> description, and its settings."""

_REASON_WIDTH = 62


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    verbs = parser.add_subparsers(
        dest="verb", metavar="VERB", required=True, help="what to do; `fsd adapter VERB --help` lists its options"
    )
    for name, (text, config) in VERBS.items():
        verb = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        defaults = {"out": numbered_text(AdapterCheckConfig.out)} if name == "check" else {}
        add_options(verb, config, skip=("clip",), defaults=defaults)
        if name == "check":  # after the model
            verb.add_argument(
                "clip", type=path_argument, metavar="CLIP", help="recording: a folder or a file of any known format"
            )
        add_common(verb, default=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> "AdapterInitSummary | dict[str, Any]":
    """Write or check an adapter, and print what was found."""
    return _init(options) if options.verb == "init" else _check(options)


def _init(options: argparse.Namespace) -> "AdapterInitSummary":
    config = config_from(AdapterInitConfig, options)
    from fsd.adapting.init import init_adapter

    summary = init_adapter(config)
    if not options.json:
        print_guesses(summary)
    return summary


def _check(options: argparse.Namespace) -> dict[str, Any]:
    choose_folder(options, AdapterCheckConfig.out)
    config = config_from(AdapterCheckConfig, options)
    from fsd.adapting.check import check_adapter

    summary = check_adapter(config)
    if not options.json:
        print_check(summary, config)
    code = OVER_LIMIT if config.strict and summary.suspicious else DONE
    return {**msgspec.to_builtins(summary), "exit_code": code}


def print_guesses(summary: "AdapterInitSummary") -> None:
    """Print every guess with its reason, and what is left to the user."""
    field_width = max(len(guess.field) for guess in summary.guesses) + 2
    print(f"  {'field':{field_width}}{'how sure':10}value, and why")
    for guess in summary.guesses:
        value = guess.value if len(guess.value) <= _REASON_WIDTH else f"{guess.value[: _REASON_WIDTH - 1]}…"
        lines = [value, *textwrap.wrap(guess.reason, _REASON_WIDTH)]
        print(f"  {guess.field:{field_width}}{guess.certainty:10}{lines[0]}")
        for line in lines[1:]:
            print(f"  {'':{field_width}}{'':10}  {line}")
    print(f"\nwritten: {summary.adapter}")
    for name in summary.ready:
        print(f"The ready adapter {name} fits as well: use it with --adapter {name}.")
    if summary.undecided:
        print(f"Write a value in place of TODO: {', '.join(summary.undecided)}.")
    first, *others = summary.models
    if not first.endswith(".onnx"):
        export = shlex.join(["fsd", "export", first, "--adapter", summary.adapter, "--data", "CLIP", "--no-int8"])
        print(f"Then write an ONNX file, and look at what it sees with `fsd adapter check`: {export}")
        return
    command = shlex.join(["fsd", "adapter", "check", first, "CLIP", "--adapter", summary.adapter])
    then = f" --then {shlex.join(others)}" if others else ""
    print(f"Then look at what the model sees: {command}{then}")


def print_check(summary: "AdapterCheckSummary", config: AdapterCheckConfig) -> None:
    """Print the tensors' ranges, and what is suspicious."""
    print(f"{summary.clip.name}: {summary.ticks} ticks, {summary.model.name} with {summary.adapter}\n")
    width = max(len(name) for name in ("tensor", *(tensor.name for tensor in summary.tensors))) + 2
    print(f"  {'tensor':{width}}{'kind':8}{'shape':>20}{'lowest':>12}{'highest':>12}")
    for tensor in summary.tensors:
        shape = "x".join(map(str, tensor.shape)) or "1"
        low, high = (" –" if each is None else f"{each:.4g}" for each in (tensor.lowest, tensor.highest))
        print(f"  {tensor.name:{width}}{tensor.kind:8}{shape:>20}{low:>12}{high:>12}")
    for warning in summary.warnings:
        print(f"  note: {warning}")
    print(f"\nsuspicious: {len(summary.suspicious) or 'nothing'}")
    for finding in summary.suspicious:
        print(
            "\n".join(
                textwrap.wrap(f"{finding.place}: {finding.text}", 110, initial_indent="  ! ", subsequent_indent="    ")
            )
        )
    print(f"\nwritten: {config.out}/{SHEET_FILE} {PAGE_FILE} summary.json")
