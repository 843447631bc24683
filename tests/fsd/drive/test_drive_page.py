import json
from dataclasses import replace
from pathlib import Path

import pytest

from fsd.drive.drive import DriveConfig, DriveResult, drive
from tests.fsd._pages import checked

FIRST = 100_000


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> DriveResult:
    out = tmp_path_factory.mktemp("drive")
    return drive(DriveConfig(out, drivers=("straight", "expert"), scenarios=("S1",), routes=2, workers=1))


def test_the_page_has_scores_with_intervals_and_a_map_per_route(driven: DriveResult) -> None:
    page = checked(driven.config.out / "drive.html")
    assert page.headings == ["Drivers", "Routes"]
    html = (driven.config.out / "drive.html").read_text()
    assert html.count('aria-label="route S1') == 2
    assert "--videos" in page.text
    for score in driven.scores["straight"].values():
        assert f"{score.driving_score:.2f} · {score.finish.replace('_', ' ')}" in page.text


def test_a_route_that_ended_early_has_a_dot_at_its_end(driven: DriveResult) -> None:
    ended = [score.finish for score in driven.scores["straight"].values() if score.finish != "completed"]
    html = (driven.config.out / "drive.html").read_text()
    assert ended
    assert html.count("<circle") == len(ended)


def test_the_path_that_is_drawn_is_as_long_as_the_drive_and_is_kept(driven: DriveResult) -> None:
    for route, score in driven.scores["expert"].items():
        steps = [*zip(driven.paths["expert"][route][:-1], driven.paths["expert"][route][1:], strict=True)]
        length_m = sum(float(((b - a) ** 2).sum() ** 0.5) for a, b in steps)
        assert length_m == pytest.approx(score.distance_m, rel=0.05)
    again = drive(driven.config)
    assert {route: path.tolist() for route, path in again.paths["expert"].items()} == {
        route: path.tolist() for route, path in driven.paths["expert"].items()
    }
    assert "path_m" not in json.loads((driven.config.out / "routes.json").read_text())[0]


def test_films_play_from_beside_the_page(driven: DriveResult, tmp_path: Path) -> None:
    elsewhere = replace(driven, config=replace(driven.config, out=tmp_path))
    elsewhere.write_page(films=[("videos/worst-S1-100000.mp4", "worst: S1")])
    page = checked(tmp_path / "drive.html")
    assert "Filmed" in page.headings
    assert "media-src &#39;self&#39;" in (tmp_path / "drive.html").read_text()


def test_one_route_has_no_interval(driven: DriveResult, tmp_path: Path) -> None:
    scores = {driver: dict(list(routes.items())[:1]) for driver, routes in driven.scores.items()}
    replace(driven, config=replace(driven.config, out=tmp_path), scores=scores).write_page()
    assert "one route: no interval" in (text := checked(tmp_path / "drive.html").text)
    assert "[" not in text
