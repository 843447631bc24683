import importlib.metadata
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

import fsd.doctor
from fsd.cli import main
from fsd.commands.parser import COMMANDS
from fsd.doctor import NEEDS, Finding, diagnose
from fsd.extras import EXTRAS, install_line

FOUND = Finding("gl", True, "software")


@pytest.fixture(autouse=True)
def no_subprocess(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsd.doctor, "_gl", lambda: FOUND)


def without(monkeypatch: pytest.MonkeyPatch, *absent: str) -> None:
    real = fsd.doctor._version
    monkeypatch.setattr(fsd.doctor, "_version", lambda name: None if name in absent else real(name))


def test_every_command_says_what_it_needs() -> None:
    assert set(COMMANDS) <= set(NEEDS)


def test_here_a_replay_can_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "CPUExecutionProvider" in text
    assert "h264" in text


def test_a_missing_extra_blocks_its_commands_only(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "moderngl")
    blocked = diagnose().blocked
    assert blocked["record"] == ["sim"]
    assert "replay" not in blocked


def test_an_extra_that_only_adds_a_file_blocks_no_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, "rerun-sdk")
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "cannot run" not in "".join(line for line in text.splitlines() if not line.startswith("drive.rrd"))
    assert any(line.startswith("drive.rrd") and line.endswith("rerun") for line in text.splitlines())


def test_what_to_install_is_one_line_to_copy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, "onnxscript")
    main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("export: cannot run"))
    assert "pip install" in lines[place + 1]
    assert "[export]" in lines[place + 1]


def test_a_library_that_breaks_on_import_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Finding:
        raise ImportError("libstdc++.so.6: version `GLIBCXX_3.4.32' not found")

    monkeypatch.setattr(fsd.doctor, "_codecs", broken)
    diagnosis = diagnose()
    assert "GLIBCXX" in diagnosis.findings["codecs"].detail
    assert "codecs" in diagnosis.blocked["replay"]


def test_a_machine_that_cannot_replay_has_an_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "onnxruntime")
    assert main(["doctor"]) == 1


@pytest.mark.parametrize(("is_editable", "words"), [(True, "install -e "), (False, "install ")])
def test_an_installation_from_a_folder_is_extended_from_there(
    monkeypatch: pytest.MonkeyPatch, is_editable: bool, words: str
) -> None:
    origin = {"url": "file:///home/me/fsd", "dir_info": {"editable": is_editable}}
    distribution = SimpleNamespace(read_text=lambda name: json.dumps(origin))
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: distribution)
    assert install_line("sim").endswith(f"{words}'/home/me/fsd[sim]'")


def test_an_installation_from_a_wheel_is_extended_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: SimpleNamespace(read_text=lambda name: None))
    assert install_line("train").endswith("install 'fsd[train]'")


def test_json_holds_every_package(capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "--json"])
    packages = json.loads(capsys.readouterr().out.splitlines()[-1])["packages"]
    assert set(packages) == {name for names in EXTRAS.values() for name in names}


def test_the_module_imports_the_standard_library_only() -> None:
    script = "import sys; before = set(sys.modules); import fsd.doctor; print(sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert not any(name in loaded for name in ("'numpy'", "'av'", "'onnxruntime'", "'pyarrow'"))
