"""Settings of `fsd live`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fsd.data.camera_names import known_camera
from fsd.data.ego import COMMANDS
from fsd.data.options import OptionError, option
from fsd.data.recording_options import HealthOptions, TickOptions
from fsd.runtime.options import ModelOptions


def camera_source(text: str) -> tuple[str, str]:
    """`NAME=SOURCE` as a pair, the name canonical.

    Raises:
        ValueError: a part is missing, or the name is no camera's.
    """
    name, separator, source = text.partition("=")
    if not separator or not name or not source:
        raise ValueError(f"Write NAME=SOURCE, for example front_main=/dev/video0; got {text!r}.")
    return known_camera(name), source


def input_option(text: str) -> tuple[str, str]:
    """`KEY=VALUE` as a pair.

    Raises:
        ValueError: a part is missing.
    """
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise ValueError(f"Write KEY=VALUE, for example video_size=1280x960; got {text!r}.")
    return key, value


@dataclass(frozen=True, kw_only=True)
class LiveConfig(ModelOptions, TickOptions, HealthOptions):
    """Settings of a run on live cameras."""

    heading = "live cameras"

    cameras: Mapping[str, str] = option(
        default_factory=dict,
        help="source of each camera: a device (front_main=/dev/video0), an address (rear=rtsp://…, tcp://…, udp://…, "
        "http://…) or a video file, which is played once at its own pace",
        flag="--camera",
        metavar="NAME=SOURCE",
        default_text="none; at least one is needed",
        parse=camera_source,
    )
    rig: Path | None = option(
        None,
        "calibration of the cameras, a rig.json; cameras that it describes may come later than the start",
        metavar="FILE",
        default_text="the usual cameras of a car",
    )
    input_options: Mapping[str, str] = option(
        default_factory=dict,
        help="options of FFmpeg for devices and addresses, such as video_size=1280x960 framerate=36 input_format=mjpeg",
        flag="--input-option",
        metavar="KEY=VALUE",
        default_text="none",
        parse=input_option,
    )
    wait_s: float = option(10.0, "how long to wait for the first image of every camera", unit="s", above=0)
    command: str = option(COMMANDS[0], "route command given to the network", choices=COMMANDS)
    print_every: int = option(36, "print one plan in so many ticks", at_least=1, metavar="TICKS")
    serve: bool = option(False, "serve a page with the overlay and the plan on this machine (localhost only)")
    port: int = option(8036, "port of the page; 0 takes a free one", at_least=0, at_most=65535)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.cameras:
            raise OptionError("cameras", "is needed: name at least one camera, such as front_main=/dev/video0")
