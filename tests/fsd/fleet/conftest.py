"""An S3 server on this machine, for the tests that read from and write to object storage."""

import os
from collections.abc import Iterator

import pytest

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
        assert os.environ["AWS_ENDPOINT_URL"]
        import s3fs

        s3fs.S3FileSystem().mkdir("fleet")
        yield "s3://fleet"
        s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture(scope="session")
def local_ray(bucket: str) -> Iterator[None]:
    """A Ray on this machine, whose processes reach the bucket."""
    pytest.importorskip("ray", reason="needs the extra `ray`")
    from fsd.fleet.config import LOCAL
    from fsd.fleet.engine import Needs, ray_cluster

    with ray_cluster(LOCAL, Needs(1), workers=2):
        yield
