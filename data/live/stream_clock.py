"""When the pictures of a stream were taken, in the clock of this machine, from the times that the stream states."""

MAX_AHEAD_NS = 1_000_000_000
"""A stream that runs ahead of the clock by more than this from one picture to the next has jumped: it begins anew."""

MAX_DRIFT = 2e-4
"""By which a stream's clock may be slow against this machine's; crystals are within 1e-4."""


class StreamClock:
    """Maps stream times to local times.

    A picture arrives when it was taken, plus a delay that varies. The least delay seen counts as none, so a picture
    that the network held up is older by as much; what all pictures are delayed by (encoder, cable) cannot be known.
    """

    def __init__(self) -> None:
        self._offset_ns: int | None = None
        self._last_stream_ns = self._last_arrival_ns = 0

    def lag_ns(self, stream_ns: int, now_ns: int) -> int:
        """How long ago a picture that states `stream_ns` was taken, as far as is known; 0 before the first."""
        return 0 if self._offset_ns is None else now_ns - stream_ns - self._offset_ns

    def local_ns(self, stream_ns: int, arrival_ns: int) -> int:
        """The local time of a picture that states `stream_ns` and arrived at `arrival_ns`, never later than that."""
        offset_ns = arrival_ns - stream_ns
        if self._offset_ns is not None:
            step_ns, waited_ns = stream_ns - self._last_stream_ns, arrival_ns - self._last_arrival_ns
            has_jumped = step_ns < 0 or step_ns - waited_ns > MAX_AHEAD_NS
            if not has_jumped:
                offset_ns = min(offset_ns, self._offset_ns + int(MAX_DRIFT * waited_ns))
        self._offset_ns, self._last_stream_ns, self._last_arrival_ns = offset_ns, stream_ns, arrival_ns
        return stream_ns + offset_ns
