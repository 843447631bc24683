"""What recorded and live cameras have in common: they are iterated over, and closed at the end."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Self

from fsd.data.frames import FrameSet


class FrameSets(ABC):
    """An iterator over frame sets, and a context manager that closes it."""

    @abstractmethod
    def __next__(self) -> FrameSet: ...

    @abstractmethod
    def close(self) -> None:
        """Stop reading, and release what was opened."""

    def __iter__(self) -> Iterator[FrameSet]:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()
