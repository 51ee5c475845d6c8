"""How the parts of one message become whole again.

M-Bus frames number their parts, HDLC segments and transfer blocks come in turn. A part
that is lost, repeated or out of turn costs the message it belongs to and no other.
"""

from typing import Final, NamedTuple

from .reading import ErrorCode, ProtocolError

# The longest message known, of a meter with all its submeters, has 2 KiB.
_LONGEST: Final = 32 * 1024


class Joined(NamedTuple):
    """A message of one or more frames: where it began, its bytes, its payload.

    The payload is a ProtocolError where parts of it were lost.
    """

    offset: int
    frame: bytes
    payload: bytes | ProtocolError


class Joiner:
    """Parts in, messages out."""

    def __init__(self, *, orphan: ErrorCode = ErrorCode.TRUNCATED) -> None:
        """Begin with nothing pending; `orphan` is what a part without a first one is."""
        self._orphan = orphan
        self._offset = 0
        self._frames: list[bytes] = []
        self._payloads: list[bytes] = []
        # The rest of a message whose loss is already known is not worth a word.
        self._skipping = False

    @property
    def expected(self) -> int:
        """Number of the part that comes next, 0 for the first of a message."""
        return len(self._frames)

    @property
    def idle(self) -> bool:
        """Say whether a whole message could come and change nothing here."""
        return not self._frames and not self._skipping

    def add(
        self, part: int, payload: bytes, *, final: bool, offset: int, frame: bytes
    ) -> list[Joined]:
        """Take the next part, counted from 0; give what it completes or gives up."""
        joined = []
        if part != len(self._frames):
            joined = self.flush()
            self._skipping = self._skipping or bool(joined)
        if part == len(self._frames):
            self._skipping = False
            if not self._frames:
                self._offset = offset
            self._frames.append(frame)
            self._payloads.append(payload)
            if final:
                whole = b"".join(self._payloads)
                joined.append(Joined(self._offset, b"".join(self._frames), whole))
                self._clear()
            elif sum(map(len, self._payloads)) > _LONGEST:
                joined = self.flush()
                self._skipping = True
        elif not self._skipping:
            joined.append(Joined(offset, frame, _lost(self._orphan, "the beginning")))
            self._skipping = not final
        elif final:
            self._skipping = False
        return joined

    def fail(self) -> None:
        """Forget the pending message, because a part of it was reported as damaged."""
        self._clear()
        self._skipping = True

    def flush(self) -> list[Joined]:
        """Give up the pending message."""
        if not self._frames:
            return []
        lost = Joined(
            self._offset,
            b"".join(self._frames),
            _lost(ErrorCode.TRUNCATED, "a later part"),
        )
        self._clear()
        return [lost]

    def _clear(self) -> None:
        self._frames.clear()
        self._payloads.clear()


def _lost(code: ErrorCode, what: str) -> ProtocolError:
    return ProtocolError(code, f"{what} of the message is missing")
