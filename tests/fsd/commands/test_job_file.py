from pathlib import Path
from typing import get_type_hints

import pytest

from fsd.cli import main
from fsd.commands.arguments import typed_name
from fsd.commands.job_file import _options, read_jobs
from fsd.commands.parser import build_parser
from fsd.compress.config import CompressConfig
from fsd.data.errors import UsageError
from fsd.data.options import Options, declared_options
from fsd.dataset.config import DatasetConfig
from fsd.export.config import ExportConfig
from fsd.replay.config import ReplayConfig

TOP = 'sources = ["drives"]\nout = "runs"\n'


def written(folder: Path, text: str) -> Path:
    (folder / "job.toml").write_text(text)
    return folder / "job.toml"


def test_a_job_is_the_command_that_would_be_typed(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        TOP
        + """
workers = 2

[[replay]]
model = ["a.onnx", "b.onnx"]
adapter = "ab.json"
overlay = false
rerun = true
max-ticks = 72
[replay.cross-check-tolerance]
path_m = 0.5

[[replay]]
out = "s3://bucket/other"

[dataset]
budget = ["B100", "B200"]
mend-skew = false

[export]
model = "weights.safetensors"
sources = "calibration"
""",
    )
    typed = [
        "replay drives --workers=2 --model a.onnx b.onnx --adapter=ab.json --no-overlay --rerun --max-ticks=72 "
        "--cross-check-tolerance path_m=0.5 --ray --out=runs/replay",
        "replay drives --workers=2 --ray --out=s3://bucket/other",
        "dataset build drives --workers=2 --budget B100 B200 --no-mend-skew --ray --out=runs/dataset",
        "export weights.safetensors --data calibration --workers=2 --ray --out=runs/export",
    ]
    assert [" ".join(job.words) for job in read_jobs(path)] == typed
    (_, replay, *_) = read_jobs(path, "head:6379")
    assert "--ray=head:6379" in replay.words
    assert build_parser("replay").parse_args(replay.words).ray == "head:6379"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (TOP + "[replay]\nmax_tick = 3", ("[replay]", "max_tick", "max-ticks")),
        (TOP + "[replay]\nno-overlay = true", ("no-overlay", "overlay")),
        (TOP + "[repaly]", ("repaly", "Did you mean replay?")),
        ("source = 'drives'\n[replay]", ("source", "sources")),
        (TOP + "[compress]\nclip-gpus = 0.5", ("clip-gpus",)),
        (TOP + "clip-gpus = 0.5\n[compress]", ("clip-gpus", "none of its jobs")),
        (TOP + "[replay]\noverlay = 'no'", ("overlay", "true or false")),
        (TOP + "[replay]\nmax-ticks = [1, 2]", ("max-ticks", "one value")),
        (TOP + "replay = 3", ("[replay]",)),
        (TOP, ("no job",)),
        ("out = 'runs'\n[replay]", ("sources",)),
        ("sources = 'drives'\n[replay]", ("no out",)),
        (TOP + "[[dataset]]\n[[dataset]]\nevery-ticks = 2", ("runs/dataset",)),
        (TOP + "[replay", ("job.toml",)),
    ],
)
def test_what_is_wrong_is_named(text: str, named: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        read_jobs(written(tmp_path, text))
    for word in named:
        assert word in str(error.value)


def test_a_value_that_an_option_cannot_have_is_refused_before_any_job_runs(tmp_path: Path) -> None:
    path = written(
        tmp_path, f"sources = '{tmp_path}'\nout = '{tmp_path}/runs'\n[compress]\n[dataset]\nmodes = 'all of'"
    )
    with pytest.raises(SystemExit) as end:
        main(["batch", str(path)])
    assert end.value.code == UsageError.exit_code
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("table", "config"),
    [("replay", ReplayConfig), ("compress", CompressConfig), ("dataset", DatasetConfig), ("export", ExportConfig)],
)
def test_every_option_of_a_command_is_a_key(table: str, config: type[Options]) -> None:
    hints, keys = get_type_hints(config), _options(table)
    offered = {
        typed_name(option, name, hints[name]).removeprefix("--").removeprefix("no-")
        for name, option in declared_options(config).items()
        if option.is_argument and option.flag != "" and name not in ("clip", "out", "sources")
    }
    assert offered <= keys.keys() | {"sources"}
    assert {"sources", "out", "ray", "data"}.isdisjoint(keys)
