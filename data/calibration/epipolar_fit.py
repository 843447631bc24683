"""Turn and zoom a camera until the flow of its images agrees with the motion of the car.

A stationary point, seen from two places, lies in one plane with both (the epipolar constraint), whatever its distance.
The plane depends on how the camera is mounted, on its focal length and on the motion between the images. In straight
driving all flow lines meet in one vanishing point, inside or outside the image, which gives the direction of the camera
for a given focal length; a turn by a known angle gives the focal length. One robust least-squares fit over all pairs
contains both, for a camera in any direction.

Unknowns: yaw, pitch and zoom of the camera; and for every pair a small turn of the car's body (roll, pitch on its
springs, and the error of the heading), held by a prior. Source of the constraint and of its error in pixels (Sampson):
Hartley and Zisserman, "Multiple View Geometry", chapters 9 and 11.
"""

from dataclasses import dataclass, replace

import numpy as np

from fsd.data.calibration.ego_steps import BODY_SIGMA_RAD, EgoSteps
from fsd.data.calibration.flow_pairs import FlowPairs
from fsd.data.camera_model import rays
from fsd.data.rig import Camera

ZOOM_SIGMA = 0.2
"""Standard deviation of the logarithm of the assumed focal length."""

TURN_SIGMA_RAD = np.radians(20.0)
OUTLIER_PX = (12.0, 6.0, 3.0, 1.5, 0.75, 0.75)
"""Width of the robust kernel at every round, for images about 640 px wide: moving objects drop out one by one. At
the end it is three times the noise of the matches, if that is less."""

ROUNDS_AT_END = 5
ROUNDS_BEFORE_DEPTH = 3
"""From then on the camera is known well enough to tell which points cannot be where they seem to be."""

GROUND_SHARE, GROUND_SLOPE_RAD, DEPTH_NOISE_PX = 0.6, 0.03, 2.0
_STEP = 1e-5


@dataclass(frozen=True)
class Mounting:
    """Correction of a camera: turns left and up in radians, and logarithm of the factor of its focal length."""

    yaw_rad: float = 0.0
    pitch_rad: float = 0.0
    log_zoom: float = 0.0

    def rotation(self, camera: Camera) -> np.ndarray:
        """(3, 3) `ego_from_camera` of the corrected camera; its roll stays."""
        return (
            rotation_z(np.array(self.yaw_rad))
            @ camera.ego_from_camera.matrix()[:3, :3]
            @ _rotation_x(np.array(self.pitch_rad))
        )

    def vector(self) -> np.ndarray:
        return np.array([self.yaw_rad, self.pitch_rad, self.log_zoom])


@dataclass(frozen=True)
class EpipolarFit:
    """Result of a fit.

    Attributes:
        mounting: the correction.
        body_rad: (K, 3) small turns of the body at every pair, about the ego axes.
        information, gradient: (K, 3, 3) and (K, 3) of every pair for yaw, pitch, zoom, with its body turned as is best.
        prior: (3,) information of the prior, in the same unit.
        cost: mean robust error of all matches, 0 … 1.
        inliers: (N,) bool.
        noise_px: robust standard deviation of the inliers' errors.
    """

    mounting: Mounting
    body_rad: np.ndarray
    information: np.ndarray
    gradient: np.ndarray
    prior: np.ndarray
    cost: float
    inliers: np.ndarray
    noise_px: float


def rotation_z(angle_rad: np.ndarray) -> np.ndarray:
    """(…, 3, 3) rotations about z."""
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    zero, one = np.zeros_like(cosine), np.ones_like(cosine)
    rows = [cosine, -sine, zero, sine, cosine, zero, zero, zero, one]
    return np.stack(rows, axis=-1).reshape(*cosine.shape, 3, 3)


def _rotation_x(angle_rad: np.ndarray) -> np.ndarray:
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    zero, one = np.zeros_like(cosine), np.ones_like(cosine)
    rows = [one, zero, zero, zero, cosine, -sine, zero, sine, cosine]
    return np.stack(rows, axis=-1).reshape(*cosine.shape, 3, 3)


def fit_mounting(
    camera: Camera, pairs: FlowPairs, steps: EgoSteps, start: Mounting | None = None, zoom_sigma: float = ZOOM_SIGMA
) -> EpipolarFit:
    """Fit one camera.

    Args:
        camera: where the fit starts; its position, roll and shape of lens are kept.
        pairs: matches of its images, at least one.
        steps: motion of the car at every pair, all finite.
        start: correction to start from.
        zoom_sigma: standard deviation of the logarithm of the assumed focal length; small to keep it.
    """
    problem = _Problem(camera, pairs, steps, zoom_sigma)
    parameters = (start or Mounting()).vector()
    body = np.zeros((len(pairs), 3))
    scale = camera.width_px / 640
    possible = np.ones(len(pairs.pair), bool)
    for index, width_px in enumerate((*OUTLIER_PX, *(None,) * ROUNDS_AT_END)):
        if index >= ROUNDS_BEFORE_DEPTH:
            possible = problem.possible(parameters, body)
        if width_px is None:
            noise_px = robust_sigma(problem.error_px(parameters, body)[possible], 2 * OUTLIER_PX[-1] * scale)
            kernel_px = float(np.clip(3 * noise_px, 0.2 * scale, OUTLIER_PX[-1] * scale))
        else:
            kernel_px = width_px * scale
        normal = problem.normal_equations(parameters, body, kernel_px, possible)
        delta = np.clip(np.linalg.solve(normal.total, normal.total_gradient), -0.1, 0.1)
        body = np.clip(body + normal.body_steps(delta), -0.1, 0.1)
        parameters = parameters + delta
        parameters[2] = np.clip(parameters[2], -1.0, 1.0)
    normal = problem.normal_equations(parameters, body, kernel_px, possible)
    squared = (normal.error_px / (OUTLIER_PX[-1] * scale)) ** 2
    return EpipolarFit(
        Mounting(*map(float, parameters)),
        body,
        normal.schur,
        normal.schur_gradient,
        problem.prior,
        float(np.mean(squared / (squared + 1))),
        possible & (np.abs(normal.error_px) < 2 * kernel_px),
        robust_sigma(normal.error_px[possible], 2 * OUTLIER_PX[-1] * scale),
    )


def robust_sigma(errors: np.ndarray, limit: float) -> float:
    """Standard deviation of the errors below a limit, by their median; infinite without any."""
    inside = np.abs(errors)[np.abs(errors) < limit]
    return 1.4826 * float(np.median(inside)) if len(inside) else float("inf")


@dataclass(frozen=True)
class _NormalEquations:
    """Gauss-Newton, the bodies' turns eliminated pair by pair. `total` includes the prior of the mounting."""

    total: np.ndarray
    total_gradient: np.ndarray
    schur: np.ndarray
    schur_gradient: np.ndarray
    body_inverse: np.ndarray
    body_gradient: np.ndarray
    coupling: np.ndarray
    error_px: np.ndarray

    def body_steps(self, delta: np.ndarray) -> np.ndarray:
        rest = self.body_gradient - np.einsum("kba,a->kb", self.coupling, delta)
        return np.asarray(np.einsum("kbc,kc->kb", self.body_inverse, rest))


_Rays = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(N, 3) each: rays of pixels, and their change per pixel to the right and down."""


class _Problem:
    def __init__(self, camera: Camera, pairs: FlowPairs, steps: EgoSteps, zoom_sigma: float) -> None:
        sigmas = np.array([TURN_SIGMA_RAD, TURN_SIGMA_RAD, zoom_sigma])
        # In pixels: errors of matches have a standard deviation of about this for images 640 px wide.
        self._sigma_px = 0.3 * camera.width_px / 640
        self.prior = (self._sigma_px / sigmas) ** 2
        self._camera, self._pairs, self._steps = camera, pairs, steps
        self._position_m = camera.ego_from_camera.matrix()[:3, 3]
        self._starts = np.searchsorted(pairs.pair, np.arange(len(pairs)))
        self._known_rays: dict[float, tuple[_Rays, _Rays]] = {}
        lens = camera.intrinsics
        self._centre = np.array([lens.cx_px, lens.cy_px])

    def normal_equations(
        self, parameters: np.ndarray, body: np.ndarray, width_px: float, possible: np.ndarray
    ) -> _NormalEquations:
        error = self.error_px(parameters, body)
        columns = []
        for index in range(3):
            moved = parameters.copy()
            moved[index] += _STEP
            columns.append(self.error_px(moved, body))
        for index in range(3):
            turned = body.copy()
            turned[:, index] += _STEP
            columns.append(self.error_px(parameters, turned))
        jacobian = (np.stack(columns, axis=-1) - error[:, None]) / _STEP
        weight = possible / (1.0 + (error / width_px) ** 2) ** 2
        weighted = jacobian * weight[:, None]
        hessian = np.add.reduceat(weighted[:, :, None] * jacobian[:, None, :], self._starts)
        gradient = np.add.reduceat(-weighted * error[:, None], self._starts)
        sigmas = np.full((len(self._pairs), 3), BODY_SIGMA_RAD)
        sigmas[:, 2] = self._steps.heading_sigma_rad
        precision = (self._sigma_px / sigmas) ** 2
        body_hessian = hessian[:, 3:, 3:] + precision[:, :, None] * np.eye(3)
        body_gradient = gradient[:, 3:] - precision * body
        inverse = np.linalg.inv(body_hessian)
        coupling = hessian[:, 3:, :3]
        schur = hessian[:, :3, :3] - np.einsum("kba,kbc,kcd->kad", coupling, inverse, coupling)
        schur_gradient = gradient[:, :3] - np.einsum("kba,kbc,kc->ka", coupling, inverse, body_gradient)
        return _NormalEquations(
            schur.sum(0) + np.diag(self.prior),
            schur_gradient.sum(0) - self.prior * parameters,
            schur,
            schur_gradient,
            inverse,
            body_gradient,
            coupling,
            error,
        )

    def error_px(self, parameters: np.ndarray, body: np.ndarray) -> np.ndarray:
        """(N,) signed distance of the matches from the epipolar constraint, in pixels."""
        pair = self._pairs.pair
        rotation = Mounting(*parameters).rotation(self._camera)
        (first, first_du, first_dv), (second, second_du, second_dv) = self._rays_of_matches(float(parameters[2]))
        turn, shift_m = self._motion(body)
        later = (turn @ rotation)[pair]
        shift_m = shift_m[pair]
        near, far = first @ rotation.T, np.einsum("nij,nj->ni", later, second)
        first_normal = np.cross(far, shift_m)
        second_normal = np.cross(shift_m, near)
        value = np.einsum("ni,ni->n", far, second_normal)
        slopes = (
            np.einsum("ni,ni->n", first_du @ rotation.T, first_normal),
            np.einsum("ni,ni->n", first_dv @ rotation.T, first_normal),
            np.einsum("ni,ni->n", np.einsum("nij,nj->ni", later, second_du), second_normal),
            np.einsum("ni,ni->n", np.einsum("nij,nj->ni", later, second_dv), second_normal),
        )
        return np.asarray(value / np.sqrt(sum(slope**2 for slope in slopes) + 1e-18))

    def possible(self, parameters: np.ndarray, body: np.ndarray) -> np.ndarray:
        """(N,) bool, whether a match can be a stationary point: in front of the camera, and not below the road.

        Cars that drive alongside, and parts of the own car, move little in the image. They would have to be far away,
        under the road; the epipolar constraint alone does not notice. Without a recorded speed, distances have no
        scale, and only points behind the camera are excluded.
        """
        pair = self._pairs.pair
        rotation = Mounting(*parameters).rotation(self._camera)
        (first, right, _), (second, _, _) = self._rays_of_matches(float(parameters[2]))
        turn, shift_m = self._motion(body)
        near, far = first @ rotation.T, np.einsum("nij,nj->ni", (turn @ rotation)[pair], second)
        shift_m = shift_m[pair]
        parallax = np.cross(near, far)
        across_m = np.linalg.norm(np.cross(shift_m, near), axis=1) + 1e-6
        leverage = np.einsum("ni,ni->n", np.cross(shift_m, far), parallax)
        inverse_depth = np.einsum("ni,ni->n", parallax, parallax) / np.where(np.abs(leverage) < 1e-12, 1e-12, leverage)
        noise = DEPTH_NOISE_PX * self._camera.width_px / 640 * np.linalg.norm(right, axis=1) / across_m
        ground = np.zeros(len(pair))
        if self._steps.is_known:
            below = np.maximum(-near[:, 2] - GROUND_SLOPE_RAD, 0.0)
            ground = GROUND_SHARE * below / max(self._position_m[2], 0.3)
        return np.asarray(inverse_depth > ground - noise)

    def _motion(self, body: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(K, 3, 3) turn of the car, and (K, 3) shift of the camera, both in the ego frame of the first image."""
        heading = self._steps.heading_rad + body[:, 2]
        turn = rotation_z(heading)
        path = np.stack([np.cos(heading / 2), np.sin(heading / 2), np.zeros_like(heading)], axis=-1)
        shift_m = self._steps.distance_m[:, None] * path + (turn - np.eye(3)) @ self._position_m
        x, y = body[:, 0], body[:, 1]
        tilt = np.tile(np.eye(3), (len(body), 1, 1))
        tilt[:, 1, 2], tilt[:, 2, 1] = -x, x
        tilt[:, 0, 2], tilt[:, 2, 0] = y, -y
        return turn @ tilt, shift_m

    def _rays_of_matches(self, log_zoom: float) -> tuple[_Rays, _Rays]:
        """Of both images; most calls repeat the zoom of the one before."""
        if log_zoom not in self._known_rays:
            if len(self._known_rays) > 1:
                self._known_rays.clear()
            self._known_rays[log_zoom] = (
                self._rays(self._pairs.first_px, log_zoom),
                self._rays(self._pairs.second_px, log_zoom),
            )
        return self._known_rays[log_zoom]

    def _rays(self, pixels: np.ndarray, log_zoom: float) -> _Rays:
        """Rays of a zoomed lens, and how they change per pixel to the right and down."""
        zoom = float(np.exp(log_zoom))
        plain = self._centre + (pixels - self._centre) / zoom
        offset = 0.5 / zoom
        right, left, below, above = (
            rays(self._camera, plain + np.array(shift))
            for shift in ((offset, 0), (-offset, 0), (0, offset), (0, -offset))
        )
        return rays(self._camera, plain), right - left, below - above


def usable(pairs: FlowPairs, steps: EgoSteps) -> tuple[FlowPairs, EgoSteps]:
    """Only the pairs whose motion is known and not too small."""
    with np.errstate(invalid="ignore"):
        keep = np.isfinite(steps.heading_rad) & (np.abs(steps.distance_m) > 0.05)
    return pairs.chosen(keep), chosen_steps(steps, keep)


def chosen_steps(steps: EgoSteps, keep: np.ndarray) -> EgoSteps:
    """The rows of a (K,) bool mask."""
    return replace(
        steps,
        distance_m=steps.distance_m[keep],
        heading_rad=steps.heading_rad[keep],
        heading_sigma_rad=steps.heading_sigma_rad[keep],
    )
