"""`fsd calibrate`: arguments, and the printed table."""

import argparse
from typing import TYPE_CHECKING

from fsd.calibrate.config import CalibrateConfig
from fsd.commands.arguments import add_options, config_from
from fsd.commands.summary_lines import print_assumptions
from fsd.data.counted import counted

if TYPE_CHECKING:
    from fsd.outputs.calibrate_summary import CalibrateSummary, CameraCalibration

EPILOG = """Points are followed through the images. Straight driving gives the direction of a camera, turns of a known
yaw rate give its focal length. What could not be told is marked and stays as assumed.

examples:
  fsd calibrate my_drive/
  fsd calibrate my_drive/ --out my_drive/rig.json
  fsd calibrate . --cameras front_main=dashcam.mp4 --out dashcam_rig.json --force"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_options(parser, CalibrateConfig)


def run(options: argparse.Namespace) -> "CalibrateSummary":
    """Calibrate, and print what was found."""
    config = config_from(CalibrateConfig, options)
    from fsd.calibrate.calibrate import calibrate

    summary = calibrate(config)
    if not options.json:
        print_summary(summary)
    return summary


def print_summary(summary: "CalibrateSummary") -> None:
    """Print one line per camera, and what could not be told."""
    print(f"{summary.clip.name}: {summary.ticks} ticks, {counted(len(summary.cameras), 'camera')}")
    print_assumptions(summary.clip)
    print(f"\n  {'camera':16}{'yaw deg':>22}{'pitch deg':>22}{'horizontal view deg':>24}{'points':>9}")
    for name, camera in summary.cameras.items():
        print(f"  {name:16}{_values(camera)}{camera.matches:9}")
    reasons = [f"{name}: {reason}" for name, camera in summary.cameras.items() for reason in camera.reasons]
    if reasons:
        print("\nunknown, and as assumed:")
        print("\n".join(f"  {reason}" for reason in reasons))
    print("\nassumed:")
    print("\n".join(f"  {assumption}" for assumption in summary.assumptions))
    print(f"\nwritten: {summary.rig_file}")


def _values(camera: "CameraCalibration") -> str:
    yaw = _value(camera.yaw_deg, camera.yaw_is_known, camera.yaw_uncertainty_deg, "")
    pitch = _value(camera.pitch_deg, camera.pitch_is_known, camera.pitch_uncertainty_deg, "")
    view = _value(camera.hfov_deg, camera.focal_is_known, camera.focal_uncertainty_percent, "%")
    return f"{yaw:>22}{pitch:>22}{view:>24}"


def _value(value: float, is_known: bool, uncertainty: float | None, unit: str) -> str:
    if not is_known or uncertainty is None:
        return f"unknown ({value:.2f})"
    return f"{value:.2f} ± {uncertainty:.2f}{unit}"
