"""`report.html` of one replay: what was run, what came out, the worst moments, and what the compressor did.

Puts sections together; the sections are made in `replay_sections.py`, `run_sections.py` and `score_table.py`.
"""

import datetime
from pathlib import Path
from typing import Any

import msgspec

from fsd.data.clip import Clip
from fsd.data.frames import CAMERAS
from fsd.html.page import page, text, write_page
from fsd.outputs.run_folder import load_run
from fsd.replay import replay_sections as sections
from fsd.replay import run_sections
from fsd.replay.run_metrics import run_figures
from fsd.replay.score_table import score_section
from fsd.replay.worst_ticks import Moments


def write_report(path: Path, folder: Path, clip: Clip, moments: Moments) -> None:
    """Write the report of the replay in `folder`, which has ended, however it ended.

    Args:
        path: HTML file to write; folder: with the tables and the summary; clip: that was replayed.
        moments: collected during the run.
    """
    run = load_run(folder)
    if len(run.tick) == 0:
        return
    summary, figures, kept = msgspec.to_builtins(run.summary), run_figures(run, clip.ego), moments.finished()
    body = [
        _header(summary),
        sections.banner(summary),
        sections.tiles(summary),
        sections.drive(figures, kept),
        sections.error_over_time(figures, kept),
        sections.worst_moments(kept, moments.measure),
        score_section(summary),
        run_sections.compressor(summary, figures, moments.thumbnails),
        run_sections.timing(summary, figures),
        run_sections.faults(summary, figures),
        run_sections.what_was_run(summary, clip.rig, present_cameras(clip)),
        _footer(summary),
    ]
    write_page(path, page(f"{summary['clip']['name']} · fsd replay", "\n".join(body)))


def present_cameras(clip: Clip) -> list[str]:
    """Names of the cameras that have a video."""
    return [name for name, stream in zip(CAMERAS, clip.streams, strict=True) if stream is not None]


def _header(summary: dict[str, Any]) -> str:
    clip, model = summary["clip"], summary["model"]
    started = datetime.datetime.fromtimestamp(summary["started_unix_s"], datetime.UTC)
    facts = (
        f"{len(clip['cameras'])} of {len(CAMERAS)} cameras",
        f"{summary['drive_s']:.1f} s at 36 Hz",
        f"{model['name']} {model['precision']}",
        *([f"budget {summary['compression']['budget']}"] if summary["compression"] else []),
        started.strftime("%Y-%m-%d %H:%M UTC"),
    )
    spans = "".join(f"<span>{text(fact)}</span>" for fact in facts)
    return f"<header><p class=eyebrow>fsd replay</p><h1>{text(clip['name'])}</h1><p class=facts>{spans}</p></header>"


def _footer(summary: dict[str, Any]) -> str:
    machine = summary["machine"]
    inputs, plans = text(summary["input_hash"]), text(summary["plan_hash"])
    return (
        f"<footer><p>fsd {text(summary['fsd_version'])} · {text(machine['processor'])}, {machine['cores']} cores · "
        f"Python {text(machine['python'])} · {text(machine['system'])}</p>"
        f"<p>input hash <code>{inputs}</code> · plan hash <code>{plans}</code>: the same hashes mean "
        "the same bytes at every tick.</p>"
        "<p>Figures are defined in docs/metrics.md, files in docs/outputs.md.</p></footer>"
    )
