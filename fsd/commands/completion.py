"""`fsd completion`: print the script that lets a shell complete commands, options, choices and files."""

import argparse
import sys
from typing import Any

from fsd.commands.arguments import path_argument, place_argument
from fsd.commands.parser import build_parser
from fsd.data.errors import UsageError
from fsd.extras import install_line

INSTALL = {
    "bash": (
        "mkdir -p ~/.local/share/bash-completion/completions && "
        "fsd completion bash > ~/.local/share/bash-completion/completions/fsd",
        'without the package bash-completion, in ~/.bashrc: eval "$(fsd completion bash)"',
    ),
    "zsh": (
        "mkdir -p ~/.zfunc && fsd completion zsh > ~/.zfunc/_fsd",
        "once, in ~/.zshrc: fpath+=(~/.zfunc); autoload -Uz compinit && compinit",
    ),
    "fish": (
        "mkdir -p ~/.config/fish/completions && fsd completion fish > ~/.config/fish/completions/fsd.fish",
        "no other step",
    ),
}
"""Shell -> the line that installs its script, and what else that shell needs."""


def _install_lines(shell: str) -> str:
    line, more = INSTALL[shell]
    return f"  {shell:5} {line}\n        ({more})"


EPILOG = "example, once for the shell that you use:\n" + "\n".join(map(_install_lines, INSTALL))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One argument, the shell."""
    parser.add_argument(
        "shell",
        nargs="?",
        choices=tuple(INSTALL),
        help="shell to print the script for; without it, print how to install one",
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Print the script, or how to install one."""
    if options.shell is None:
        if not options.json:
            print("\n".join(map(_install_lines, INSTALL)))
        return {"install": {shell: line for shell, (line, _) in INSTALL.items()}}
    script = completion_script(options.shell)
    if not options.json:
        print(script)
        if sys.stdout.isatty():
            print(f"\nTo install it:\n{_install_lines(options.shell)}", file=sys.stderr)
    return {"shell": options.shell, "script": script}


def completion_script(shell: str) -> str:
    """The completion script of a shell, made from the parsers that read the command line.

    Raises:
        UsageError: the extra `completion` is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        raise UsageError(f"`fsd completion` needs the package shtab:\n  {install_line('completion')}") from error

    parser = build_parser("all")
    _complete_files(parser)
    return shtab.complete(parser, shell=shell)


def _complete_files(parser: argparse.ArgumentParser) -> None:
    """Mark what takes a file or a folder, in this parser and in those of its commands."""
    import shtab

    for action in parser._actions:  # argparse has no public list of them
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_files(command)
        elif action.type in (path_argument, place_argument) or action.metavar in ("NAME=FILE", "DIR"):
            action.complete = shtab.DIRECTORY if action.dest == "out" else shtab.FILE  # type: ignore[attr-defined]
