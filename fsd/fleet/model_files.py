"""The files of a model, as values that travel to every machine: no actor reads a file that may change meanwhile."""

from dataclasses import dataclass, replace
from pathlib import Path

from fsd.data.errors import ModelError
from fsd.fleet.keys import Files
from fsd.replay.config import ReplayConfig
from fsd.replay.fingerprint import files_beside
from fsd.runtime.engine import packaged_model
from fsd.runtime.options import model_paths
from fsd.third_party.ready_adapters import adapter_file


@dataclass(frozen=True)
class ModelFiles:
    """Contents by a path such as `0/f100.onnx`; the first part tells files of the same name apart.

    Attributes:
        models: of the network, in order; adapter, second: None without one.
    """

    contents: Files
    models: tuple[str, ...]
    adapter: str | None
    second: str | None

    @classmethod
    def of(cls, config: ReplayConfig) -> "ModelFiles":
        """Read the files of the networks that a replay runs.

        Raises:
            ModelError: a file cannot be read, or this installation has no packaged model and `config` names none.
        """
        contents: dict[str, bytes] = {}

        def read(path: Path) -> str:
            place = f"{len(contents)}/{path.name}"
            try:
                contents[place] = path.read_bytes()
            except OSError as error:
                raise ModelError(f"{path} cannot be read ({error.strerror}). Name a model file.") from error
            for beside in files_beside(path, contents[place]):
                contents[f"{place.partition('/')[0]}/{beside.name}"] = beside.read_bytes()
            return place

        models = tuple(read(path) for path in model_paths(config.model) or (packaged_model(),))
        adapter = None if config.adapter is None else read(adapter_file(config.adapter))
        check = config.cross_check
        second = None if check is None or check.model is None else read(check.model)
        return cls(contents, models, adapter, second)

    def unpack(self, folder: Path, config: ReplayConfig) -> ReplayConfig:
        """Write the files below a folder, and name them in the configuration."""
        for place, content in self.contents.items():
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        models = tuple(folder / place for place in self.models)
        check = config.cross_check
        if check is not None and self.second is not None:
            check = replace(check, model=folder / self.second)
        adapter = None if self.adapter is None else folder / self.adapter
        model = models if len(models) > 1 else models[0]
        return replace(config, model=model, adapter=adapter, cross_check=check)
