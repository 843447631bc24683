"""Who works on a unit: a small file in the destination, so that two runs do not do the same recording at once.

A claim counts up while its holder lives. One whose count has stood still for `STALE_POLLS` looks, or whose process on
this machine is gone, is taken over by the file of the next number, which only one can create. Clocks are not compared.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

import msgspec

from fsd.fleet.places import Place

BEAT_S, POLL_S, STALE_POLLS = 10.0, 5.0, 12
"""Seconds between counts, seconds between looks of those who wait, and looks after which a claim is stale."""


class Claim(msgspec.Struct, frozen=True):
    """The content of a claim: its holder, and how often that has counted."""

    machine: str
    process: int
    beats: int = 0


class Held:
    """A claim that is held: file `number` of a unit."""

    def __init__(self, base: Place, number: int) -> None:
        self._base, self._number = base, number
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="claim", daemon=True)
        self._thread.start()

    @property
    def is_lost(self) -> bool:
        """Whether another has taken it over, for this process stood still for too long."""
        return _numbered(self._base, self._number + 1).exists()

    def release(self) -> None:
        """Stop counting and remove the files, the oldest first: a gap below a living claim would admit another."""
        self._stop.set()
        self._thread.join()
        if self.is_lost:  # who holds it now removes the files of all
            return
        for number in range(self._number + 1):
            with suppress(OSError):
                _numbered(self._base, number).remove()

    def _beat(self) -> None:
        beats = 0
        while not self._stop.wait(BEAT_S):
            beats += 1
            with suppress(Exception):  # the store may be away for a moment
                _numbered(self._base, self._number).write(_content(beats))


@contextmanager
def claimed(base: Place, seen: str, polls: int) -> Iterator[Held | str]:
    """Hold the claim of a unit, or yield what the claim of another says.

    Args:
        base: path of the claims of the unit, without number.
        seen: what the claim of another said before; polls: looks at which it was the same.
    """
    number, last = 0, None
    while (content := _numbered(base, number).read_or_none()) is not None:
        number, last = number + 1, content.decode("utf-8", "replace")
    is_stale = last is None or _is_dead(last) or (last == seen and polls >= STALE_POLLS)
    if not is_stale or not _numbered(base, number).create(_content(0)):
        yield last or ""
        return
    held = Held(base, number)
    try:
        yield held
    finally:
        held.release()


def _numbered(base: Place, number: int) -> Place:
    return Place(base.fs, base.protocol, f"{base.path}.{number}")


def _content(beats: int) -> bytes:
    return msgspec.json.encode(Claim(_machine(), os.getpid(), beats))


def _is_dead(text: str) -> bool:
    """Whether the holder was a process of this machine that has ended; False while its claim is still empty."""
    try:
        claim = msgspec.json.decode(text, type=Claim)
        if claim.machine != _machine():
            return False
        os.kill(claim.process, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, msgspec.MsgspecError):
        return False
    return _has_ended(claim.process)


def _has_ended(process: int) -> bool:
    """Whether a process is only waiting for its parent to ask how it ended (Linux)."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return False


@cache
def _machine() -> str:
    """This machine, and on Linux the start and the container, since both begin to number processes anew."""
    parts = [socket.gethostname()]
    with suppress(OSError), open("/proc/sys/kernel/random/boot_id") as file:
        parts.append(file.read().strip())
    with suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)
