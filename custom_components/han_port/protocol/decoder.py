"""How bytes become meter readings: scan, peel by the first byte, read the list."""

import contextlib
import re
from collections.abc import Callable
from typing import Final

from . import dlms, hdlc, lists
from .hdlc import HdlcFrame
from .reading import ErrorCode, MeterReading, Outcome, ProtocolError

# A framing reads one frame at an index: the frame, or how many bytes it wants from
# there on, or ProtocolError.
_FRAMINGS: Final[dict[int, Callable[[bytearray, int], HdlcFrame | int]]] = {
    hdlc.FLAG: hdlc.parse,
}
_START: Final = re.compile(hdlc.START, re.DOTALL)

# Kinds of list one meter sends, with room for a second meter on the same line.
_MOST_LAYOUTS: Final = 16

_APDU_TAGS: Final = (b"\x0f",)

_HEX: Final = re.compile(rb"[0-9A-Fa-f\s]+")


def _from_hex(message: bytes) -> bytes:
    """Give the bytes of hex text, anything else as it is."""
    if _HEX.fullmatch(message):
        with contextlib.suppress(ValueError):
            return bytes.fromhex(message.decode("ascii"))
    return message


def _no_message(message: bytes) -> tuple[ErrorCode, str]:
    """Say why nothing was found in a whole message."""
    if message[:1] and message[0] in _FRAMINGS:
        return ErrorCode.CRC, "it begins like a frame and is none"
    return ErrorCode.UNSUPPORTED, "it holds no message of a meter"


class Decoder:
    """Bytes in, outcomes out. It reads no clock, does no input or output, and raises
    nothing whatever it is fed.
    """

    def __init__(
        self,
        *,
        encryption_key: bytes | None = None,
        authentication_key: bytes | None = None,
    ) -> None:
        """Take the keys of 16 bytes for meters that encipher."""
        self._encryption_key = encryption_key
        self._authentication_key = authentication_key
        self._buffer = bytearray()
        # Stream offset of the first byte in the buffer.
        self._offset = 0
        # With fewer bytes than this in the buffer nothing new can be found.
        self._wanted = 0
        # Stream offset up to which failures belong to a frame reported as failed.
        self._blamed = 0
        self._layouts: dict[int, lists.Layout] = {}

    def feed(self, chunk: bytes) -> list[Outcome]:
        """Take the next bytes of the stream; give what they complete, in order."""
        self._buffer += chunk
        if len(self._buffer) < self._wanted:
            return []
        return self._scan(final=False)

    def flush(self) -> list[Outcome]:
        """End the stream: what is still incomplete is truncated."""
        outcomes = self._scan(final=True)
        self._buffer.clear()
        self._offset = self._wanted = self._blamed = 0
        return outcomes

    def decode(self, message: bytes) -> list[Outcome]:
        """Read one whole message that came by itself.

        Takes frames, a frame without its flags, a bare APDU, and hex text of any of
        these. Gives at least one outcome.
        """
        message = _from_hex(bytes(message))
        bare = None
        if message[:1] in _APDU_TAGS or message[:3] == dlms.LLC:
            bare = self._open(message)
            if isinstance(bare, MeterReading):
                return [Outcome(0, message, bare)]
        outcomes = self._scan_alone(message)
        if not outcomes and hdlc.lacks_flags(message):
            flags = bytes((hdlc.FLAG,))
            outcomes = self._scan_alone(flags + message + flags)
        if not outcomes:
            error = bare or ProtocolError(*_no_message(message))
            outcomes = [Outcome(0, message, error)]
        return outcomes

    def _scan_alone(self, message: bytes) -> list[Outcome]:
        """Find the frames of one message, leaving the stream as it is."""
        scanner = Decoder(
            encryption_key=self._encryption_key,
            authentication_key=self._authentication_key,
        )
        scanner._layouts = self._layouts  # noqa: SLF001
        return scanner.feed(message) + scanner.flush()

    def _scan(self, *, final: bool) -> list[Outcome]:
        buffer = self._buffer
        outcomes: list[Outcome] = []
        at = 0
        self._wanted = 0
        while (found := _START.search(buffer, at)) is not None:
            start = found.start()
            try:
                frame = _FRAMINGS[buffer[start]](buffer, start)
            except ProtocolError as error:
                self._fail(outcomes, start, error)
                at = start + 1
                continue
            if isinstance(frame, int):
                if not final:
                    self._wanted = frame
                    at = start
                    break
                if len(buffer) - start > 1:
                    self._fail(
                        outcomes,
                        start,
                        ProtocolError(
                            ErrorCode.TRUNCATED, "the frame is incomplete", length=frame
                        ),
                    )
                at = start + 1
                continue
            result = self._open(frame.payload)
            outcomes.append(
                Outcome(self._offset + start, bytes(buffer[start : frame.end]), result)
            )
            self._blamed = 0
            # The closing flag may open the next frame.
            at = frame.end - 1
        else:
            at = len(buffer)
        del buffer[:at]
        self._offset += at
        return outcomes

    def _fail(
        self, outcomes: list[Outcome], start: int, error: ProtocolError
    ) -> None:
        """Report a failed start, unless it lies in a frame already reported."""
        offset = self._offset + start
        if offset < self._blamed:
            return
        self._blamed = offset + error.claim
        frame = bytes(self._buffer[start : start + error.length])
        outcomes.append(Outcome(offset, frame, error.with_traceback(None)))

    def _open(self, payload: bytes) -> MeterReading | ProtocolError:
        """Peel a payload by its first byte down to a reading."""
        if payload[:3] == dlms.LLC:
            payload = payload[3:]
        try:
            return self._read(payload)
        except ProtocolError as error:
            return error.with_traceback(None)

    def _read(self, apdu: bytes) -> MeterReading:
        key = len(apdu)
        layout = self._layouts.get(key)
        if layout is None or not layout.fits(apdu):
            layout = lists.read(apdu, dlms.parse_notification(apdu), None)
            if len(self._layouts) >= _MOST_LAYOUTS:
                del self._layouts[next(iter(self._layouts))]
            self._layouts[key] = layout
        return layout.read(apdu)
