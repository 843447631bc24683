"""The scripts are made of the real parsers; the one for bash is run in bash, the others are read by their shells."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fsd.cli import main
from fsd.commands.completion import INSTALL, completion_script
from fsd.commands.parser import COMMANDS
from fsd.compression.policy_names import POLICIES
from fsd.data.frames import CAMERAS
from fsd.overlay.layout import LAYOUTS

ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
_shtab_fsd
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def scripts() -> dict[str, str]:
    return {shell: completion_script(shell) for shell in INSTALL}


@pytest.fixture(scope="module")
def bash_script(scripts: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "fsd.bash"
    path.write_text(scripts["bash"])
    return path


@pytest.fixture
def drive_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_drive").mkdir()
    (tmp_path / "my_dashcam.mp4").touch()
    monkeypatch.chdir(tmp_path)


def completed(script: Path, *words: str) -> set[str]:
    """What bash offers for the last word of a command line."""
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK, "bash", str(script), *words], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return set(done.stdout.split())


def test_bash_completes_the_commands(bash_script: Path) -> None:
    assert set(COMMANDS) <= completed(bash_script, "fsd", "")
    assert completed(bash_script, "fsd", "comp") == {"compress", "compare", "completion"}


def test_bash_completes_the_options_of_the_command_at_hand(bash_script: Path) -> None:
    assert completed(bash_script, "fsd", "replay", "clip", "--la") == {"--layout", "--latency-ms"}
    assert completed(bash_script, "fsd", "compare", "a", "b", "--la") == set()


@pytest.mark.parametrize(
    ("words", "choices"),
    [
        (("replay", "clip", "--layout"), LAYOUTS),
        (("replay", "clip", "--no-report", "--overlay-cameras", "rear"), CAMERAS),
        (("demo", "--overlay-height"), ("720", "1080", "1440")),
        (("compress", "clip", "--policy"), tuple(POLICIES)),
        (("completion",), tuple(INSTALL)),
    ],
)
def test_bash_completes_choices(bash_script: Path, words: tuple[str, ...], choices: tuple[str, ...]) -> None:
    assert completed(bash_script, "fsd", *words, "") == set(choices)


@pytest.mark.usefixtures("drive_folder")
def test_bash_completes_files_and_folders(bash_script: Path) -> None:
    assert completed(bash_script, "fsd", "replay", "my") == {"my_drive", "my_dashcam.mp4"}
    assert completed(bash_script, "fsd", "replay", "my_drive", "--out", "my") == {"my_drive"}


@pytest.mark.usefixtures("drive_folder")
def test_bash_completes_the_file_of_a_camera(bash_script: Path) -> None:
    words = ("replay", ".", "--cameras", "front_main", "=", "my_dash")  # bash cuts words at `=`
    assert completed(bash_script, "fsd", *words) == {"my_dashcam.mp4"}


@pytest.mark.parametrize("shell", INSTALL)
def test_every_script_knows_commands_options_and_choices(scripts: dict[str, str], shell: str) -> None:
    words = set(re.findall(r"[\w-]+", scripts[shell]))
    assert set(COMMANDS) <= words
    assert {"surround", "focus", "adaptive"} <= words
    assert any(word in words for word in ("--overlay-cameras", "overlay-cameras"))


@pytest.mark.parametrize("shell", INSTALL)
def test_every_script_is_sound_in_its_shell(scripts: dict[str, str], shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} on this machine")
    script = tmp_path / "script"
    script.write_text(scripts[shell])
    done = subprocess.run([program, "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_a_shell_it_says_how_to_install(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion"]) == 0
    text = capsys.readouterr().out
    assert all(line in text for line, _ in INSTALL.values())
    assert main(["completion", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["install"]) == set(INSTALL)


def test_the_install_line_of_bash_works(tmp_path: Path) -> None:
    line, _ = INSTALL["bash"]
    fsd = f"fsd() {{ {sys.executable} -c 'import sys; from fsd.cli import main; sys.exit(main())' \"$@\"; }}"
    subprocess.run(["bash", "--norc", "-c", f"{fsd}\n{line}"], env={**os.environ, "HOME": str(tmp_path)}, check=True)
    installed = tmp_path / ".local/share/bash-completion/completions/fsd"
    assert "replay" in completed(installed, "fsd", "repl")


def test_without_the_extra_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert "[completion]" in capsys.readouterr().err


def test_asking_for_help_does_not_load_the_generator() -> None:
    script = (
        "import sys\nfrom fsd.commands.parser import build_parser\n"
        "build_parser('completion')\nprint('shtab' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
