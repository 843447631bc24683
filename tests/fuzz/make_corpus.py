"""Make the stored inputs anew, from the demo clip and the generators of the tests: `python -m tests.fuzz.make_corpus`.

Each is a zip file of a few kilobytes below `corpus/<target>/`. Encoders of other versions write other bytes: make them
again only where a format or a target changes.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_type_hints

import msgspec
import numpy as np
import pyarrow.parquet as pq
import torch

from fsd.compression.budget import Budget
from fsd.data.formats.teslacam.teslacam_writer import TeslaCamWriter
from fsd.data.rig import FTheta, Rig, load_rig, save_rig
from fsd.data.simulator.scoring.metrics import RouteScore
from fsd.drive.journal import DriveJournal
from fsd.networks.checkpoint import save_checkpoint
from fsd.networks.config import NetworkConfig
from fsd.networks.model import DrivingNetwork
from fsd.networks.weights import save_weights
from fsd.profile.config import ProfileConfig
from fsd.profile.profile import profile
from tests.data.conftest import ClipTools, write_image, write_video
from tests.data.formats import test_argoverse2 as argoverse2
from tests.data.formats import test_comma2k19 as comma2k19
from tests.data.formats import test_gps_track as gps_track
from tests.data.formats import test_kitti_raw as kitti_raw
from tests.data.formats import test_lerobot as lerobot
from tests.data.formats import test_mcap_file as mcap_file
from tests.data.formats import test_nuscenes as nuscenes
from tests.data.formats import test_nvidia_physicalai_av as nvidia
from tests.data.formats import test_openpilot as openpilot
from tests.data.formats.teslacam import test_teslacam_writer as teslacam
from tests.fsd import conftest as runs
from tests.fsd.third_party import test_adapter as adapter
from tests.fuzz.bundle import CORPUS, of_folder, pack, unpacked, write_files
from tests.fuzz.targets import ROUTE_SETTINGS

DEMO = Path(str(files("fsd") / "demo_clip"))
TOOLS: Any = ClipTools()
SIZE = (64, 48)
T36 = Fraction(1, 36)


@contextmanager
def case(target: str, name: str) -> Iterator[Path]:
    """A folder whose files become one stored input."""
    with TemporaryDirectory() as folder:
        yield Path(folder)
        pack(of_folder(Path(folder)), CORPUS / target / f"{name}.zip")


def make_tables() -> None:
    """Rigs, times and ego motion of the demo clip, cut short, and tables as CSV."""
    with case("rig", "demo") as folder:
        save_rig(load_rig(DEMO / "rig.json"), folder / "rig.json")
    with case("rig", "ftheta") as folder:
        rig = load_rig(DEMO / "rig.json")
        lens = FTheta(cx_px=640, cy_px=480, angle_to_radius_px=(0.0, 500.0, 1.5))
        save_rig(
            Rig(name="one", cameras=(msgspec.structs.replace(rig.cameras[0], intrinsics=lens),)), folder / "rig.json"
        )
    with case("timestamps", "demo") as folder:
        times = pq.read_table(DEMO / "front_main.timestamps.parquet").slice(0, 30)
        pq.write_table(times, folder / "front_main.timestamps.parquet")
    with case("ego", "demo") as folder:
        for name in ("ego", "command"):
            pq.write_table(pq.read_table(DEMO / f"{name}.parquet").slice(0, 30), folder / f"{name}.parquet")
    for name, header in (("frames", "frame,timestamp_ns,steering_angle_rad"), ("plain", "timestamp_ns")):
        with case("csv", name) as folder:
            rows = [f"{k},{10**18 + k * 27_777_778},{0.01 * k:g}" for k in range(12)]
            rows = rows if name == "frames" else [row.split(",")[1] for row in rows]
            (folder / "front_main.csv").write_text("\n".join([header, *rows]) + "\n")


def make_models() -> None:
    """Two third-party models with their adapters, and the smallest network."""
    for name, content, make in (
        ("path", adapter.PATH, adapter.path_model),
        ("steering", adapter.STEERING, adapter.steering_model),
    ):
        with case("onnx", name) as folder:
            make.__wrapped__(_Folders(folder))  # type: ignore[attr-defined]
            for model in folder.rglob("m.onnx"):
                model.rename(folder / "model.onnx")
            (folder / "adapter.json").write_text(json.dumps(content, indent=1))
        with case("adapter", name) as folder:
            (folder / "adapter.json").write_text(json.dumps(content, indent=1))
    tiny = NetworkConfig(
        budget=Budget("tiny", 30, 40, 6), width=8, heads=1, cross_layers=1, mlp_ratio=1, retina_channels=4,
        patch_channels=(4, 4), retina_blocks=1, plan_queries=1, has_hypotheses=False, has_maps=False,
    )  # fmt: skip
    network = DrivingNetwork(tiny)
    for tensor in network.state_dict().values():
        tensor.zero_()
    with case("weights", "tiny") as folder:
        save_weights(network, folder / "weights.safetensors", trained=False)


class _Folders:
    """Stands for pytest's factory of temporary folders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def mktemp(self, name: str) -> Path:
        (self._folder / name).mkdir()
        return self._folder / name


def make_videos() -> None:
    """Twelve pictures in every container, and single images."""
    times = list(range(12))
    for name, codec, container in (
        ("front_main.mp4", "libx264", None),
        ("front_main.mkv", "mjpeg", None),
        ("front_main.ts", "libx264", "mpegts"),
        ("front_main.hevc", "libx265", "hevc"),
        ("front_main.h264", "libx264", "h264"),
        ("front_main.avi", "mjpeg", None),
        ("front_main.webm", "libsvtav1", "webm"),
    ):
        with case("video", name.replace(".", "_")) as folder:
            write_video(folder / name, times, T36, codec, size_px=SIZE, container=container)
    with case("video", "front_main_mp4_b_frames") as folder:
        options = {"preset": "fast", "bf": "3", "b-adapt": "0"}
        write_video(folder / "front_main.mp4", times, T36, options=options, size_px=SIZE)
    with case("images", "named") as folder:
        for k in range(6):
            write_image(folder / "front_main" / f"{10**18 + k * 50_000_000}.{'jpg' if k % 2 else 'png'}", k, (32, 24))
    with case("images", "table") as folder:
        for k in range(6):
            write_image(folder / f"{k}.png", k, (32, 24))
        rows = "".join(f"{10**18 + k * 50_000_000},{k}.png\n" for k in range(6))
        (folder / "timestamps.csv").write_text(f"timestamp_ns,filename\n{rows}")


def make_recordings() -> None:
    """A native clip, a folder of dashcam parts with a track, an event, and a track alone."""
    with case("clip", "native") as folder:
        rig = load_rig(DEMO / "rig.json")
        lens = msgspec.structs.replace(rig.cameras[0].intrinsics, cx_px=32.0, cy_px=24.0)
        front = msgspec.structs.replace(rig.cameras[0], width_px=64, height_px=48, intrinsics=lens)
        save_rig(Rig(name="small", cameras=(front,)), folder / "rig.json")
        write_video(folder / "front_main.mp4", list(range(12)), T36, size_px=SIZE)
        for name in ("front_main.timestamps", "ego", "command"):
            pq.write_table(pq.read_table(DEMO / f"{name}.parquet").slice(0, 12), folder / f"{name}.parquet")
    with case("dashcam", "parts") as folder:
        for part in range(2):
            name = f"20260102_1516{32 + part}_NF.mp4"
            write_video(folder / name, list(range(30)), Fraction(1, 30), size_px=SIZE, first_number=30 * part)
        points = "\n".join(gps_track.rmc(point) for point in gps_track.turn(4))
        (folder / "20260102_151632_NF.nmea").write_text(points)
    with case("gps", "nmea") as folder:
        (folder / "track.nmea").write_text("\n".join(gps_track.rmc(point) for point in gps_track.turn(8)) + "\n")
    with case("gps", "gpx") as folder:
        (folder / "track.gpx").write_text(gps_track.gpx(gps_track.turn(8), with_speed=True))
    with case("message", "driving") as folder:
        (folder / "message.bin").write_bytes(teslacam.message(3).encode())
    with case("message", "parked") as folder:
        (folder / "message.bin").write_bytes(b"\x08\x01\x18\x07")
    start = datetime(2026, 1, 2, tzinfo=UTC)
    with case("teslacam", "event") as folder, TeslaCamWriter(folder, start, ("front", "back")) as writer:
        for number in range(12):
            images: list[np.ndarray | None] = [teslacam.picture(number, camera) for camera in range(2)]
            writer.write(images, number * 10**9 // 36, teslacam.message(number))


def make_bags() -> None:
    """MCAP files of ROS 2 and of JSON messages."""
    small = type("Small", (ClipTools,), {"numbered_luma": staticmethod(lambda k, w, h: TOOLS.numbered_luma(k, *SIZE))})
    with case("mcap", "ros2") as folder:
        mcap_file.ros_drive(folder / "drive.mcap", small(), ticks=4)
    with case("mcap", "json") as folder:
        mcap_file.images(folder / "drive.mcap", small(), ("/front/compressed",), ticks=4)


def make_datasets() -> None:
    """One small recording of every public dataset that is read."""
    makers: dict[str, Callable[[Path], object]] = {
        "nuscenes": lambda folder: nuscenes.write_root(TOOLS, folder, ("scene-0061",)),
        "kitti": lambda folder: kitti_raw.write_drive(TOOLS, folder, 3, (64, 48)),
        "argoverse2": lambda folder: argoverse2.write_log(TOOLS, folder / "log", 2),
        "comma2k19": lambda folder: comma2k19.write_segment(TOOLS, folder / comma2k19.ROUTE / "3", comma2k19.BOOT_S, 0),
        "openpilot": lambda folder: openpilot.write_route(TOOLS, folder, [0]),
        "lerobot": lambda folder: lerobot.write_dataset(TOOLS, folder),
        "nvidia": lambda folder: nvidia.write_dataset(TOOLS, folder),
    }
    for name, make in makers.items():
        with case(name, "small") as folder:
            make(folder)


def make_results() -> None:
    """Two replays and two profiles to compare, and what drives and training runs continue from."""
    with case("routes", "two") as folder:
        journal = DriveJournal(folder / "routes.jsonl", ROUTE_SETTINGS)
        for seed in range(2):
            kinds = get_type_hints(RouteScore)
            journal.append(
                ("expert", "town", seed), RouteScore(**{n: "done" if t is str else t(1) for n, t in kinds.items()})
            )
    with case("checkpoint", "small") as folder:
        network, average = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
        optimiser = torch.optim.Adam(network.parameters())
        network(torch.ones(1, 3)).sum().backward()
        optimiser.step()
        save_checkpoint(folder / "checkpoint.safetensors", network, average, optimiser, 7, {})
    with case("runs", "two") as folder:
        runs._write_run(folder / "a", 12)
        runs._write_run(folder / "b", 12, side_step_m=0.5)
    with case("summary", "replay") as folder:
        runs._write_run(folder / "run", 2)
        (folder / "run" / "summary.json").rename(folder / "summary.json")
        for table in (folder / "run").iterdir():
            table.unlink()
    with case("profiles", "two") as folder, TemporaryDirectory() as clip:
        write_files(unpacked(CORPUS / "clip" / "native.zip"), Path(clip))
        settings = ProfileConfig(clip=Path(clip), out=folder / "a", ticks=40, warm_up=2, control_s=0.05, trace_ticks=2)
        profile(settings, progress=lambda line: None)
        (folder / "b").mkdir()
        for name in ("summary.json", "samples.parquet"):
            (folder / "b" / name).write_bytes((folder / "a" / name).read_bytes())
        for path in (folder / "a").iterdir():
            if not (folder / "b" / path.name).exists():
                path.unlink()


if __name__ == "__main__":
    wanted = sys.argv[1:]
    for make in (make_tables, make_models, make_videos, make_recordings, make_bags, make_datasets, make_results):
        if not wanted or make.__name__.removeprefix("make_") in wanted:
            make()
    print(f"{sum(path.stat().st_size for path in CORPUS.rglob('*.zip')) / 1024:.0f} KiB in {CORPUS}")
