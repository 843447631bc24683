"""Open our network or a third-party model as a `Planner`."""

from pathlib import Path

from fsd.data.rig import Rig
from fsd.networks.onnx_session import open_session
from fsd.runtime.engine import Engine, SessionFactory
from fsd.runtime.network_planner import NetworkPlanner
from fsd.runtime.planner import Planner
from fsd.third_party.adapter_planner import AdapterPlanner


def open_planner(
    rig: Rig,
    model: Path | None = None,
    adapter: Path | None = None,
    threads: int = 1,
    device: str = "cpu",
    session_factory: SessionFactory = open_session,
) -> Planner:
    """Load a model for clips of one rig; see `Engine` and `AdapterPlanner` for the arguments and errors.

    Args:
        model: ONNX file; None is the packaged one.
        adapter: `adapter.json` of a third-party `model`; None for a model with fsd metadata.

    Raises:
        ValueError: an adapter without a model.
    """
    if adapter is None:
        return NetworkPlanner(rig, Engine(model, threads, device, session_factory))
    if model is None:
        raise ValueError("adapter needs the model that it describes: give `--model` as well.")
    return AdapterPlanner(model, adapter, threads, device, session_factory)
