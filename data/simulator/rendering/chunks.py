"""Divide a stationary world into square chunks, so that a camera draws only those in view. Needs no OpenGL."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fsd.data.simulator.rendering import mesh
from fsd.data.simulator.rendering.scene import MATERIALS

CHUNK_M = 50.0
DRAW_DISTANCE_M = 280.0
"""Chunks beyond this distance are not drawn; the open ground always is."""


@dataclass(frozen=True)
class Chunk:
    """One square: drawables by material (index in `MATERIALS`), and its bounding circle on the map, metres."""

    drawn: dict[int, Any]
    centre: tuple[float, float]
    radius_m: float


def cut(scene: Mapping[str, np.ndarray], load: Callable[[str, np.ndarray], Any]) -> list[Chunk]:
    """Sort all triangles of a scene into chunks.

    Args:
        scene: material -> (3 N, mesh.FLOATS) vertices, three per triangle.
        load: turns a material and its vertices in a chunk into a drawable.
    """
    squares: dict[tuple[int, int], dict[int, np.ndarray]] = {}
    for order, material in enumerate(MATERIALS):
        faces = scene.get(material, np.zeros((0, mesh.FLOATS), np.float32)).reshape(-1, 3, mesh.FLOATS)
        if not len(faces):
            continue
        square = np.floor(faces[:, :, :2].mean(axis=1) / CHUNK_M).astype(np.int64)
        key = square[:, 0] * 100_003 + square[:, 1]
        for value in np.unique(key):
            chosen = key == value
            squares.setdefault(tuple(square[chosen][0]), {})[order] = faces[chosen].reshape(-1, mesh.FLOATS)
    chunks = []
    for materials in squares.values():
        points = np.concatenate([vertices[:, :2] for vertices in materials.values()])
        middle = 0.5 * (points.min(0) + points.max(0))
        radius_m = float(np.hypot(*(points - middle).T).max())
        centre = (float(middle[0]), float(middle[1]))
        chunks.append(
            Chunk({order: load(MATERIALS[order], part) for order, part in materials.items()}, centre, radius_m)
        )
    return chunks


def visible(
    chunks: Iterable[Chunk], eye: np.ndarray, bearing_rad: float, half_view_rad: float, reach_m: list[float]
) -> list[tuple[int, Any]]:
    """Material and drawable of all chunks inside a camera's field of view: by material, near ones first.

    Args:
        eye: (3,) the camera in the world.
        reach_m: draw distance per material.
    """
    x, y = float(eye[0]), float(eye[1])
    (left_x, left_y), (right_x, right_y) = view_edges(bearing_rad, half_view_rad)
    found = []
    for chunk in chunks:
        # Plain floats: arrays of two numbers take six times as long.
        away_x, away_y = chunk.centre[0] - x, chunk.centre[1] - y
        if min(away_x * left_x + away_y * left_y, away_x * right_x + away_y * right_y) < -chunk.radius_m:
            continue
        distance = math.hypot(away_x, away_y)
        near = distance - chunk.radius_m
        if near <= DRAW_DISTANCE_M:
            found += [(order, distance, drawn) for order, drawn in chunk.drawn.items() if near < reach_m[order]]
    found.sort(key=lambda entry: entry[:2])
    return [(order, drawn) for order, _, drawn in found]


def view_edges(bearing_rad: float, half_view_rad: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Inward normals of the left and right edges of a camera's view, in plan."""
    left, right = bearing_rad + half_view_rad, bearing_rad - half_view_rad
    return (math.sin(left), -math.cos(left)), (-math.sin(right), math.cos(right))


def draw_distances_m(focal_px_at_320: float, is_fine: bool) -> list[float]:
    """Draw distance per material: until an object covers one or two pixels. `is_fine` draws everything.

    Args:
        focal_px_at_320: focal length scaled to an image width of 320 px.
    """
    reach = dict.fromkeys(MATERIALS, DRAW_DISTANCE_M)
    if not is_fine:
        reach["props"] = min(max(0.45 * focal_px_at_320, 45.0), DRAW_DISTANCE_M)
        reach["foliage"] = reach["shadow"] = min(max(0.8 * focal_px_at_320, 90.0), DRAW_DISTANCE_M)
        reach["plain"] = reach["wall"] = min(max(1.1 * focal_px_at_320, 150.0), DRAW_DISTANCE_M)
    return [reach[material] for material in MATERIALS]
