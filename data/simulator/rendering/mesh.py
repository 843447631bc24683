"""Build triangle meshes from quads, boxes and lofts.

A mesh is (n, 12) float32, three rows per triangle: position 3, normal 3, colour 3, surface 3. The meaning of the
surface numbers depends on the material's shader. No OpenGL here.
"""

import math
from collections.abc import Sequence

import numpy as np

FLOATS = 12
Point = Sequence[float]


def triangles(
    corners: np.ndarray, colour: Point | np.ndarray, surface: Point | np.ndarray = (0.0, 0.0, 0.0)
) -> np.ndarray:
    """(n, 3, 3) triangles with their geometric normals; colour and surface are broadcast to (n, 3, 3)."""
    corners = np.asarray(corners, dtype=np.float32).reshape(-1, 3, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    mesh = np.empty((len(corners), 3, FLOATS), dtype=np.float32)
    mesh[..., 0:3] = corners
    mesh[..., 3:6] = normals[:, None]
    mesh[..., 6:9] = colour
    mesh[..., 9:12] = surface
    return mesh.reshape(-1, FLOATS)


def quads(corners: np.ndarray, colour: Point | np.ndarray, surface: Point | np.ndarray = (0.0, 0.0, 0.0)) -> np.ndarray:
    """(n, 4, 3) quads, counter-clockwise seen from outside; colour and surface may be given per corner."""
    corners = np.asarray(corners, dtype=np.float32).reshape(-1, 4, 3)
    order = [0, 1, 2, 0, 2, 3]
    surface = np.broadcast_to(np.asarray(surface, dtype=np.float32), corners.shape)[:, order].reshape(-1, 3, 3)
    colour = np.broadcast_to(np.asarray(colour, dtype=np.float32), corners.shape)[:, order].reshape(-1, 3, 3)
    return triangles(corners[:, order].reshape(-1, 3, 3), colour, surface)


def join(meshes: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(meshes) if meshes else np.zeros((0, FLOATS), dtype=np.float32)


def box(low: Point, high: Point, colour: Point, surface: Point = (0.0, 0.0, 0.0), bottom: bool = False) -> np.ndarray:
    """An axis-aligned box between two corners; `bottom` adds its bottom face."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    faces = [
        [(x0, y0, z0), (x1, y0, z0), (x1, y0, z1), (x0, y0, z1)],
        [(x1, y0, z0), (x1, y1, z0), (x1, y1, z1), (x1, y0, z1)],
        [(x1, y1, z0), (x0, y1, z0), (x0, y1, z1), (x1, y1, z1)],
        [(x0, y1, z0), (x0, y0, z0), (x0, y0, z1), (x0, y1, z1)],
        [(x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)],
    ]
    if bottom:
        faces.append([(x0, y1, z0), (x1, y1, z0), (x1, y0, z0), (x0, y0, z0)])
    return quads(np.array(faces), colour, surface)


def loft(rings: np.ndarray, colour: Point, surface: Point = (0.0, 0.0, 0.0)) -> np.ndarray:
    """Surface between consecutive closed rings, (m, k, 3) points."""
    rings = np.asarray(rings, dtype=np.float32)
    here, there = rings[:-1], rings[1:]
    corners = np.stack([here, np.roll(here, -1, 1), np.roll(there, -1, 1), there], axis=2)
    return quads(corners.reshape(-1, 4, 3), colour, surface)


def disc(
    centre: Point, radius: float, axis: str, colour: Point, surface: Point = (0.0, 0.0, 0.0), sides: int = 10
) -> np.ndarray:
    """A flat disc that faces +x, -x, +y, -y or +z (`axis`)."""
    angle = np.linspace(0, 2 * math.pi, sides + 1)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius
    first, second = {
        "+x": ((0, 1, 0), (0, 0, 1)),
        "-x": ((0, -1, 0), (0, 0, 1)),
        "+y": ((-1, 0, 0), (0, 0, 1)),
        "-y": ((1, 0, 0), (0, 0, 1)),
        "+z": ((1, 0, 0), (0, 1, 0)),
    }[axis]
    points = np.array(centre) + ring[:, :1] * np.array(first) + ring[:, 1:] * np.array(second)
    middle = np.broadcast_to(np.array(centre, dtype=np.float64), points[:-1].shape)
    return triangles(np.stack([middle, points[:-1], points[1:]], axis=1), colour, surface)


def turned(mesh: np.ndarray, x_m: float, y_m: float, z_m: float, heading_rad: float, scale: float = 1.0) -> np.ndarray:
    """A copy of a mesh, scaled, rotated about the vertical and moved."""
    cos, sin = math.cos(heading_rad), math.sin(heading_rad)
    rotation = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]], dtype=np.float32)
    moved = mesh.copy()
    moved[:, 0:3] = (mesh[:, 0:3] * np.float32(scale)) @ rotation + np.array([x_m, y_m, z_m], dtype=np.float32)
    moved[:, 3:6] = mesh[:, 3:6] @ rotation
    return moved
