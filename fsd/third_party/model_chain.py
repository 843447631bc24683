"""Several model files that run one after the other as one model: `ChainedSession`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from fsd.data.errors import ModelError
from fsd.networks.onnx_session import SESSION_ERRORS, Signature, integer_kernels, session_signature
from fsd.third_party.state_fields import Link


class ChainedSession:
    """Sessions that run in order; inputs of one name get one value, links hand outputs on to later models.

    Attributes:
        inputs: of all models, without those that links fill.
        outputs: of all models; one whose name an earlier model's has as well is `<stem of its file>.<name>`.
    """

    def __init__(
        self, sessions: Sequence[onnxruntime.InferenceSession], links: Sequence[Link] = (), names: Sequence[str] = ()
    ) -> None:
        """Chain sessions; `names` are their files, for messages and for outputs of one name.

        Raises:
            ModelError: a link fits no pair of models, two models of one file name have an output of one name, or two
                models an input of one name and two shapes.
        """
        self._sessions = list(sessions)
        self._names = list(names) or [f"model {number}" for number in range(1, len(sessions) + 1)]
        self._inputs = [session_signature(session.get_inputs()) for session in sessions]
        self._outputs: list[dict[str, str]] = []  # name in `outputs` -> the model's own
        self._links: list[dict[str, Link]] = [{} for _ in sessions]
        self.outputs = self._all_outputs()
        # A file into which several were merged holds its links.
        for index, link in enumerate(links if len(sessions) > 1 else ()):
            self._add_link(f"links[{index}]", link)
        self.inputs = self._all_inputs()

    @property
    def integer_kernels(self) -> str:
        """As `onnx_session.integer_kernels` gives them: of the first model whose kernels are slower, if any."""
        kinds = [integer_kernels(session) for session in self._sessions]
        return next((kind for kind in kinds if kind != "fast"), "fast")

    def run(
        self,
        names: Sequence[str],
        feeds: Mapping[str, np.ndarray],
        after_each: Callable[[Mapping[str, np.ndarray]], None] | None = None,
    ) -> list[np.ndarray]:
        """Run all models; the outputs of these names, in order.

        Args:
            feeds: every input of `inputs`; others are ignored.
            after_each: takes the outputs of a model, and may write into `feeds` for the next.

        Raises:
            ModelError: an operator fails, such as one whose inputs do not fit each other.
        """
        linked = {link.output for links in self._links for link in links.values()}
        values: dict[str, np.ndarray] = {}
        for session, file, inputs, outputs, links in zip(
            self._sessions, self._names, self._inputs, self._outputs, self._links, strict=True
        ):
            wanted = [name for name in outputs if name in names or name in linked]
            given = {
                name: _linked(values[links[name].output], links[name], shape, dtype) if name in links else feeds[name]
                for name, (shape, dtype) in inputs.items()
            }
            try:
                found = session.run([outputs[name] for name in wanted], given) if wanted else []
            except SESSION_ERRORS as error:
                reason = str(error).strip().partition("\n")[0]
                raise ModelError(f"{file} cannot be run: {reason} Export or copy it again.") from error
            own = dict(zip(wanted, found, strict=True))
            values |= own
            if after_each is not None:
                after_each(own)
        return [values[name] for name in names]

    def _all_outputs(self) -> Signature:
        found: Signature = {}
        for file, session in zip(self._names, self._sessions, strict=True):
            own_names = {}
            for own_name, spec in session_signature(session.get_outputs()).items():
                name = f"{Path(file).stem}.{own_name}" if own_name in found else own_name
                if name in found:
                    raise ModelError(f"{file} and an earlier model both have an output {name!r}. Rename one of them.")
                own_names[name], found[name] = own_name, spec
            self._outputs.append(own_names)
        return found

    def _all_inputs(self) -> Signature:
        found: Signature = {}
        for file, inputs, links in zip(self._names, self._inputs, self._links, strict=True):
            for name, spec in inputs.items():
                if name in links:
                    continue
                if found.setdefault(name, spec) != spec:
                    raise ModelError(
                        f"{file} takes its input {name!r} as {describe(spec)}, and another model as "
                        f"{describe(found[name])}: inputs of one name get the same value. Rename it in one of them."
                    )
        return found

    def _add_link(self, field: str, link: Link) -> None:
        first = next((index for index, outputs in enumerate(self._outputs) if link.output in outputs), None)
        if first is None:
            raise ModelError(
                f"`{field}.output` is {link.output!r}, but the models' outputs are {', '.join(self.outputs)}.",
                field=f"{field}.output",
            )
        later = [index for index in range(first + 1, len(self._sessions)) if link.input in self._inputs[index]]
        if not later:
            others = [name for inputs in self._inputs[first + 1 :] for name in inputs]
            raise ModelError(
                f"`{field}.input` is {link.input!r}, but the inputs of the models after {self._names[first]} are "
                f"{', '.join(others) or 'none'}. Give the files in the order in which they run.",
                field=f"{field}.input",
            )
        for index in later:
            given, taken = self.outputs[link.output], self._inputs[index][link.input]
            if problem := part_problem(given, taken, link.start):
                raise ModelError(f"`{field}` {problem}", field=field)
            if link.input in self._links[index]:
                raise ModelError(f"`{field}` fills {link.input!r} a second time; keep one link.", field=field)
            self._links[index][link.input] = link


def part_problem(
    given: tuple[tuple[int, ...], str], taken: tuple[tuple[int, ...], str], start: int | None, size: int | None = None
) -> str:
    """Why an output, or the part of it from `start` on, cannot become an input; empty if it can.

    Args:
        size: how many numbers the input takes at once; all of them if None.
    """
    (shape, dtype), (target, target_dtype) = given, taken
    if dtype != target_dtype and not {dtype, target_dtype} <= {"float16", "float32"}:
        return f"gives {dtype} to an input of {target_dtype}; the types must be the same (float16 and float32 mix)."
    if -1 in target:
        return f"fills an input with a free axis {list(target)}; export the model with a fixed shape."
    if -1 in shape:
        return ""  # seen only when the model runs
    available, needed = int(np.prod(shape)), int(np.prod(target)) if size is None else size
    if start is None and available != needed:
        return f"gives {available} numbers, shape {list(shape)}, and {needed} are taken; `start` takes a part of them."
    if start is not None and start + needed > available:
        return f"needs {needed} numbers from {start} on, and the output has {available}, shape {list(shape)}."
    return ""


def describe(spec: tuple[tuple[int, ...], str]) -> str:
    """`float32 [1, 8]`."""
    return f"{spec[1]} {list(spec[0])}"


def _linked(output: np.ndarray, link: Link, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    flat = output.reshape(-1)
    part = flat if link.start is None else flat[link.start : link.start + int(np.prod(shape))]
    return part.reshape(shape).astype(dtype, copy=False)
