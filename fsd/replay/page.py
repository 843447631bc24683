"""`report.html` of one replay: what was run, the results, the worst ticks, and what the compressor did.

Puts the sections together; `replay_sections.py`, `run_sections.py` and `score_table.py` make them.
"""

from dataclasses import replace
from pathlib import Path

from fsd.data.clip import Clip
from fsd.html.page import Page, write_page
from fsd.outputs.replay_summary import ReplaySummary
from fsd.outputs.run_folder import load_run
from fsd.replay import replay_sections as sections
from fsd.replay import run_sections
from fsd.replay.cross_check_section import cross_check
from fsd.replay.drive_section import drive_section, recorded_facts
from fsd.replay.film import Film
from fsd.replay.hypotheses_section import hypotheses_section
from fsd.replay.run_metrics import measure_run
from fsd.replay.score_table import score_section
from fsd.replay.steering_section import steering_section
from fsd.replay.worst_ticks import WorstTicks


def write_report(
    path: Path, folder: Path, summary: ReplaySummary, clip: Clip, worst_ticks: WorstTicks, film: Film
) -> None:
    """Write the report of the replay in `folder`, complete or not; nothing if it has no tick.

    Args:
        path: HTML file to write; folder: with the tables; summary: of the run; clip: the recording.
        worst_ticks, film: collected during the run.
    """
    run = replace(load_run(folder), summary=summary)
    if len(run.tick) == 0:
        return
    metrics, worst = measure_run(run, clip.ego), worst_ticks.finished()
    video = film.finished()
    drive = drive_section(clip, run.timestamp_ns, metrics, video)
    page = Page(
        command="fsd replay",
        heading=summary.clip.name,
        facts=sections.facts(summary, recorded_facts(clip, run.timestamp_ns)),
        banners=sections.banners(summary),
        tiles=sections.tiles(summary),
        left_out=sections.left_out(summary),
        sections=[
            drive,
            sections.path(metrics, worst),
            sections.error_over_time(metrics, worst),
            hypotheses_section(run, metrics),
            sections.worst_ticks(worst, worst_ticks.measure, worst_ticks.zoom),
            steering_section(
                summary.wheel_angle, clip, run.timestamp_ns, run.plan["curvature_per_m"].to_numpy(), metrics
            ),
            score_section(summary.scores, summary.latency_charged_scores, summary.driving_modes),
            run_sections.compressor(summary.compression, metrics, worst_ticks.thumbnails),
            run_sections.timing(summary, metrics),
            cross_check(summary.cross_check, run, metrics),
            run_sections.faults(summary, metrics),
            run_sections.what_was_run(summary, clip.rig),
        ],
        footer=sections.footer(summary),
        videos="inside" if video else "",
    )
    write_page(path, page)
