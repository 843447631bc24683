"""An S3 server on this machine, for the tests that read from and write to object storage.

And results of runs over many recordings, without a replay: straight drives.
"""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fsd.data.ego import EgoTrack
from fsd.outputs.replay_summary import Fingerprint, PlanScores
from fsd.outputs.run_info import TimePercentiles
from fsd.replay.tick_tables import write_errors, write_worst_ticks
from fsd.replay.worst_ticks import WorstTick

WriteRun = Callable[..., Path]
TICKS = 40
_ACCESS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """URL of an empty bucket, and the environment by which this process and its children reach it."""
    pytest.importorskip("s3fs", reason="needs the extra `ray`")
    server = pytest.importorskip("moto.server", reason="needs the extra `dev`, for its S3 server").ThreadedMotoServer(
        ip_address="127.0.0.1", port=0, verbose=False
    )
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**_ACCESS, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
            patch.setenv(name, value)
        import s3fs

        s3fs.S3FileSystem().mkdir("fleet")
        yield "s3://fleet"
        s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture(scope="session")
def local_ray(bucket: str) -> Iterator[None]:
    """A Ray whose processes reach the bucket: the one at RAY_ADDRESS, or else one that is started here."""
    ray = pytest.importorskip("ray", reason="needs the extra `ray`")
    from fsd.fleet.config import LOCAL
    from fsd.fleet.engine import Needs, ray_cluster

    if address := os.environ.get("RAY_ADDRESS"):
        access = {name: os.environ[name] for name in (*_ACCESS, "AWS_ENDPOINT_URL")}
        ray.init(address, runtime_env={"env_vars": access}, log_to_driver=False)
    with ray_cluster(LOCAL, Needs(1), workers=2):
        yield
    ray.shutdown()


def _straight() -> EgoTrack:
    """10 m/s along y = 0 for 8 s."""
    times_ns = np.arange(0, 8 * 10**9, 10**8)
    still = np.zeros(len(times_ns))
    return EgoTrack(times_ns, still + 10, still, times_ns * 1e-8, still, still)


@pytest.fixture(scope="session")
def write_clip(write_run: WriteRun) -> Callable[..., Path]:
    """Write the results of one recording: `error_m` is its ADE@3s in the summary; the tables have a straight drive."""

    def write(folder: Path, error_m: float = 0.5, model: str = "a" * 32, **changes: Any) -> Path:
        digest = f"{folder.name:0<32}"
        scores = {"ade_1s_m": error_m / 4, "ade_3s_m": error_m, "ticks_3s": TICKS}
        plan_ms = TimePercentiles(p50=9.0, p90=10.0, p99=12.0, max=15.0, samples=TICKS)
        summary: dict[str, Any] = {
            "made_from": Fingerprint(recording=digest, settings="5" * 32, model=model),
            "stages_ms": {"plan": plan_ms},
            "scores": PlanScores(network=scores, constant_velocity=scores | {"ade_3s_m": 1.0}, hold_last=scores),
            "health": {"ok": TICKS - 4, "missing=rear": 4},
            "cores_used": 2.0,
        }
        write_run(folder, TICKS, **(summary | changes))
        write_errors(folder, _straight())
        picture = io.BytesIO()
        Image.new("RGB", (640, 360), (30, 90, 160)).save(picture, "jpeg")
        write_worst_ticks(folder, [WorstTick(20, 20 / 36, error_m, picture.getvalue())], "error")
        (folder / "report.html").write_text("<title>report</title>")
        return folder

    return write


@pytest.fixture(scope="session")
def write_batch(write_clip: Callable[..., Path]) -> Callable[..., Path]:
    """Write the results of a run: recordings `c0`, `c1` … with these errors."""

    def write(out: Path, errors_m: Sequence[float], **changes: Any) -> Path:
        for index, error_m in enumerate(errors_m):
            write_clip(out / f"c{index}", error_m, **changes)
        (out / "batch.json").write_text("[]")
        return out

    return write
