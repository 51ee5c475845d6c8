"""How bytes become meter readings: scan, peel by the first byte, read the list.

A stream is scanned for anything that begins like a frame or a telegram. What proves to be
none costs one byte: scanning goes on behind its first one, because a damaged frame
may have swallowed the beginning of the next.
"""

from collections.abc import Callable
import contextlib
from enum import StrEnum
import re
from typing import Final, NamedTuple

from . import dlms, hdlc, lists, mbus, p1, security, telegram
from .hdlc import HdlcFrame
from .joiner import Joined, Joiner
from .layout import Layout
from .mbus import MbusFrame
from .p1 import P1Telegram, Unfinished
from .reading import ErrorCode, MeterReading, Outcome, ProtocolError
from .security import BareApdu

type _Found = HdlcFrame | MbusFrame | P1Telegram | BareApdu

# A framing reads what begins at an index: it gives what it found, or how many bytes it
# takes from there on to say more, or raises ProtocolError.
_FRAMINGS: Final[dict[int, Callable[[bytearray, int], _Found | Unfinished | int]]] = {
    hdlc.FLAG: hdlc.parse,
    mbus.BEGIN: mbus.parse,
    security.GENERAL_GLO_CIPHERING: security.parse,
    **dict.fromkeys(p1.STARTS, p1.parse),
}
_START: Final = re.compile(
    b"|".join((hdlc.START, mbus.START, p1.START, security.START)), re.DOTALL
)

# AES-128, in every security suite seen.
_KEY_LENGTH: Final = 16

# The kinds of list of one meter, with room for a second meter on the same line.
_MOST_KEPT: Final = 16

# A payload that is a data-notification, all of it.
_PLAIN: Final = dlms.LLC + bytes((dlms.NOTIFICATION,))

# No message of any framing is as short; more than an HDLC header with its checksum.
_SHORTEST: Final = 14

_HEX: Final = re.compile(rb"[0-9A-Fa-f\s]+")

# Bare APDUs begin so: data-notification, ciphered, and either behind an LLC header.
_APDU: Final = re.compile(rb"\x0f|\xdb\x08|" + re.escape(dlms.LLC))
# What begins like a frame or a telegram, but for a byte or two.
_DAMAGED: Final = re.compile(
    rb"\x7e|\x68..\x68|[" + re.escape(p1.STARTS) + rb"]", re.DOTALL
)
# And bare lists, as some readers hand them on: with date-time, tagged or not, and none.
_LIST: Final = re.compile(rb"(?:\x09?\x0c.{12})?[\x01\x02]", re.DOTALL)


class _Frame(NamedTuple):
    """A frame read before: its header, which bits stay, their values; its APDU, where."""

    head: bytes
    mask: int
    constant: int
    layout: Layout
    at: int


class Foreign(StrEnum):
    """What is found on a line instead of a meter's messages."""

    TELNET = "telnet"
    PORT_IN_USE = "port_in_use"
    HTTP = "http"
    DECODED = "decoded"
    TEXT = "text"


# Telnet negotiates with IAC and one of WILL, WON'T, DO, DON'T. ser2net refuses a second
# reader and says what its own port failed with. A reader that decodes by itself writes
# JSON.
_FOREIGN: Final = (
    (Foreign.TELNET, re.compile(rb"\xff[\xfb-\xfe]")),
    (Foreign.PORT_IN_USE, re.compile(rb"Port already in use|Port's device failed")),
    (Foreign.HTTP, re.compile(rb"HTTP/1\.[01] |\s*<!doctype|\s*<html", re.IGNORECASE)),
    (Foreign.DECODED, re.compile(rb"\s*\{\s*\"")),
    (Foreign.TEXT, re.compile(rb"[\t\r\n\x20-\x7e]{8,}")),
)
_SAYS: Final = {
    Foreign.TELNET: "telnet negotiation: the bridge is not in raw mode",
    Foreign.PORT_IN_USE: "the bridge says that its port is in use or failed",
    Foreign.HTTP: "a web page: the port is that of a web server",
    Foreign.DECODED: "JSON: the reader sends decoded values",
    Foreign.TEXT: "text of no meter",
}


def foreign(data: bytes) -> Foreign | None:
    """Say what bytes without any message are instead; None if that cannot be told.

    Takes what a connection began with.
    """
    return next((kind for kind, pattern in _FOREIGN if pattern.match(data)), None)


class Decoder:
    """Bytes in, outcomes out; nothing it is fed makes it raise."""

    def __init__(
        self,
        *,
        encryption_key: bytes | None = None,
        authentication_key: bytes | None = None,
    ) -> None:
        """Take the keys of 16 bytes for meters that encipher.

        Raises ValueError for a key of another length.
        """
        for key in (encryption_key, authentication_key):
            if key is not None and len(key) != _KEY_LENGTH:
                raise ValueError("a key has 16 bytes")
        self._encryption_key = encryption_key
        self._authentication_key = authentication_key
        self._layouts: dict[tuple[int, str | None], Layout | telegram.Layout] = {}
        # By their lengths: what was read before and comes again.
        self._frames: dict[int, _Frame] = {}
        self._buffer = bytearray()
        # What was in the payload opened last, where that was enciphered
        self._plain: bytes | None = None
        self._reset()

    def _reset(self) -> None:
        self._buffer.clear()
        # Stream offset of the first byte in the buffer.
        self._offset = 0
        # With fewer bytes than this in the buffer nothing new can be found; in text,
        # unless this byte has come, or one that is no ASCII.
        self._wanted = 0
        self._mark: int | None = None
        # Stream offset up to which failures belong to a frame reported as failed.
        self._blamed = 0
        # HDLC segments and M-Bus frames, and the blocks inside them.
        self._segments = Joiner()
        self._parts = Joiner(orphan=ErrorCode.UNSUPPORTED)
        self._blocks = Joiner()

    def feed(self, chunk: bytes) -> list[Outcome]:
        """Take the next bytes of the stream; give what they complete, in order."""
        buffer = self._buffer
        buffer += chunk
        # Some bridges hand on byte by byte: little else is done for most of them.
        if len(buffer) < self._wanted and (
            (mark := self._mark) is None or (mark not in chunk and chunk.isascii())
        ):
            return []
        if len(buffer) - len(chunk) < 2 and (whole := self._whole(chunk)) is not None:
            return [whole]
        return self._scan(final=False)

    def _whole(self, chunk: bytes) -> Outcome | None:
        """Take a chunk that is just one frame like one before, as bridges deliver it.

        Behind no more than the flag of the last frame it needs no looking for.
        """
        if not self._segments.idle or (reading := self._reread(chunk)) is None:
            return None
        end = self._offset + len(self._buffer)
        # An HDLC flag that closes a frame may open the next.
        del self._buffer[:-1]
        self._offset = end - 1
        self._blamed = 0
        return Outcome(end - len(chunk), bytes(chunk), reading)

    def flush(self) -> list[Outcome]:
        """End the stream: what is still incomplete is truncated."""
        outcomes = self._scan(final=True)
        for joiner in (self._segments, self._parts, self._blocks):
            outcomes += map(self._conclude, joiner.flush())
        self._reset()
        return outcomes

    def decode(self, message: bytes) -> list[Outcome]:
        """Read one whole message that came by itself.

        Takes frames and telegrams, a frame without its flags, a bare APDU or list, and
        hex text of any of these. Gives at least one outcome.
        """
        message = from_hex(bytes(message))
        if (reading := self._reread(message)) is not None:
            return [Outcome(0, message, reading)]
        alone = Decoder(
            encryption_key=self._encryption_key,
            authentication_key=self._authentication_key,
        )
        alone._layouts, alone._frames = self._layouts, self._frames
        bare = None
        if _APDU.match(message):
            bare = self._open(message)
            if isinstance(bare, MeterReading):
                return [Outcome(0, message, bare, self._plain)]
        outcomes = alone.feed(message)
        if message[:1] in p1.STARTS:
            # Some readers strip the line end, which says that a checksum is complete.
            outcomes += alone.feed(b"\r\n")
        outcomes += alone.flush()
        if not outcomes and hdlc.lacks_flags(message):
            flags = bytes((hdlc.FLAG,))
            outcomes = alone.feed(flags + message + flags) + alone.flush()
        if not outcomes and _LIST.match(message):
            head = b"\x0f\0\0\0\0" + (b"\0" if message[0] < dlms.OCTETS else b"")
            bare = self._open(head + message)
        if not outcomes:
            outcomes = [Outcome(0, message, bare or _no_message(message))]
        return outcomes

    def _scan(self, *, final: bool) -> list[Outcome]:
        """Find all that the buffer holds and drop what is done with."""
        buffer = self._buffer
        outcomes: list[Outcome] = []
        at = 0
        self._wanted = 0
        self._mark = None
        size = len(buffer)
        # With little but the flag of the last frame nothing can be said.
        while at + _SHORTEST < size or final:
            if (match := _START.search(buffer, at)) is None:
                at = size
                break
            start = match.start()
            if self._offset + start < self._blamed and self._is_same_damage(start):
                at = start + 1
                continue
            again = self._again(start) if start + _SHORTEST < size else 0
            if isinstance(again, Outcome):
                outcomes.append(again)
                at = start + len(again.frame) - 1
                continue
            if again and not final:
                self._wanted = again
                at = start
                break
            try:
                found = _FRAMINGS[buffer[start]](buffer, start)
            except ProtocolError as error:
                self._fail(outcomes, start, error)
                at = start + 1
                continue
            if isinstance(found, int):
                wanted, mark = found, None
            elif isinstance(found, Unfinished):
                wanted, mark = found
            else:
                self._deliver(outcomes, start, found)
                # An HDLC flag that closes a frame may open the next.
                at = found.end - isinstance(found, HdlcFrame)
                continue
            if final:
                self._give_up(outcomes, start, wanted)
                at = start + 1
            else:
                self._wanted, self._mark = wanted, mark
                at = start
                break
        else:
            self._wanted = _SHORTEST + 1
        del buffer[:at]
        self._offset += at
        return outcomes

    def _again(self, start: int) -> Outcome | int:
        """Read a frame of the stream that is like one before.

        Gives what it says, or how many bytes from `start` on it takes to say more. With
        0 it is another frame or none, which must be found out.
        """
        buffer = self._buffer
        size = hdlc.size_at(buffer, start)
        known = self._frames.get(size)
        if known is None or not self._segments.idle:
            return 0
        frame = bytes(buffer[start : start + size])
        if len(frame) < size:
            return size if frame.startswith(known.head) else 0
        reading = self._reread(frame)
        if reading is None:
            return 0
        self._blamed = 0
        return Outcome(self._offset + start, frame, reading)

    def _reread(self, frame: bytes) -> MeterReading | None:
        """Read a frame that differs from one before in values and times only.

        None for any other: it may be intact and say something all the same.
        """
        known = self._frames.get(len(frame))
        if known is None:
            return None
        _, mask, constant, layout, at = known
        if int.from_bytes(frame) & mask != constant or not hdlc.intact(frame[1:-1]):
            return None
        return layout.read(frame, at)

    def _remember(self, frame: bytes, payload: bytes) -> None:
        """Keep what a frame with a plain list has in common with the next of its kind."""
        apdu = payload.removeprefix(dlms.LLC)
        layout = self._layouts[len(apdu), None]
        assert isinstance(layout, Layout)
        at = len(frame) - 3 - len(apdu)
        mask = int.from_bytes(b"\xff" * at + layout.mask + b"\0\0\xff")
        constant = int.from_bytes(frame) & mask
        known = _Frame(frame[: at - len(dlms.LLC)], mask, constant, layout, at)
        _keep(self._frames, len(frame), known)

    def _deliver(self, outcomes: list[Outcome], start: int, found: _Found) -> None:
        """Add what an intact frame or telegram says, or completes."""
        self._blamed = 0
        offset, frame = self._offset + start, bytes(self._buffer[start : found.end])
        payload = found.payload
        if isinstance(found, HdlcFrame):
            joiner, final = self._segments, not found.segmented
            # Only the first segment has the LLC header; the others come in turn.
            part = (
                0 if payload.startswith(dlms.LLC) else joiner.expected or int(not final)
            )
        elif isinstance(found, MbusFrame):
            joiner, part, final = self._parts, found.part, found.final
        else:
            result = self._open(payload, telegram_only=isinstance(found, BareApdu))
            outcomes.append(Outcome(offset, frame, result, self._plain))
            return
        for joined in joiner.add(
            part, payload, final=final, offset=offset, frame=frame
        ):
            self._unblock(outcomes, joined)
        if (
            payload.startswith(_PLAIN)
            and final
            and isinstance(outcomes[-1].result, MeterReading)
        ):
            self._remember(frame, payload)

    def _unblock(self, outcomes: list[Outcome], joined: Joined) -> None:
        """Add what a message says; join it first if it is a block of one."""
        if isinstance(joined.payload, bytes):
            payload = joined.payload.removeprefix(dlms.LLC)
            if payload[:1] == dlms.BLOCK:
                try:
                    block = dlms.parse_block(payload)
                except ProtocolError as error:
                    joined = joined._replace(payload=error)
                else:
                    blocks = self._blocks.add(
                        block.number - 1,
                        block.data,
                        final=block.last,
                        offset=joined.offset,
                        frame=joined.frame,
                    )
                    outcomes += map(self._conclude, blocks)
                    return
        outcomes.append(self._conclude(joined))

    def _conclude(self, joined: Joined) -> Outcome:
        """Read a whole message, or say why it is none."""
        payload = joined.payload
        if isinstance(payload, bytes):
            result = self._open(payload)
            return Outcome(joined.offset, joined.frame, result, self._plain)
        return Outcome(joined.offset, joined.frame, _as_value(payload))

    def _fail(self, outcomes: list[Outcome], start: int, error: ProtocolError) -> None:
        """Report a failed start, unless it lies in a frame already reported."""
        # It may have been a part of what is pending, which nothing else would tell.
        if self._buffer[start] == hdlc.FLAG:
            self._segments.fail()
        elif self._buffer[start] == mbus.BEGIN:
            self._parts.fail()
        offset = self._offset + start
        if offset < self._blamed:
            return
        self._blamed = offset + error.claim
        frame = bytes(self._buffer[start : start + error.length])
        outcomes.append(Outcome(offset, frame, _as_value(error)))

    def _is_same_damage(self, start: int) -> bool:
        """Say at little cost that a start fails in a frame that is reported already."""
        buffer = self._buffer
        if (
            buffer[start] != hdlc.FLAG
            or len(buffer) < start + _SHORTEST
            or not hdlc.is_none(buffer, start)
        ):
            return False
        self._segments.fail()
        return True

    def _give_up(self, outcomes: list[Outcome], start: int, wanted: int) -> None:
        """Report what the stream ended in, if that is more than a first byte."""
        if len(self._buffer) - start > 1:
            error = ProtocolError(
                ErrorCode.TRUNCATED, "the message is incomplete", length=wanted
            )
            self._fail(outcomes, start, error)

    def _open(
        self, payload: bytes, *, telegram_only: bool = False
    ) -> MeterReading | ProtocolError:
        """Peel a payload by its first byte down to a reading."""
        self._plain = None
        try:
            return self._read(payload.removeprefix(dlms.LLC), telegram_only)
        except ProtocolError as error:
            return _as_value(error)

    def _read(self, payload: bytes, telegram_only: bool) -> MeterReading:
        flag_id = None
        keys = self._encryption_key, self._authentication_key
        if payload[:1] == b"\xdb":
            flag_id = _flag_id(payload[2:5])
            payload = self._plain = security.unseal(payload, *keys)
        is_telegram = payload[:1] == b"/"
        if is_telegram:
            opened = security.unseal_telegram(payload, *keys)
            if opened != payload:
                payload = self._plain = opened
        elif telegram_only:
            # A part of a damaged frame: nothing but its checksum vouched for it.
            raise ProtocolError(ErrorCode.CRC, "a ciphered message without its frame")
        key = len(payload), flag_id
        layout = self._layouts.get(key)
        if layout is None or not layout.fits(payload):
            if is_telegram:
                layout = telegram.Layout(payload)
            else:
                notification = dlms.parse_notification(payload)
                layout = lists.read(payload, notification, flag_id)
            _keep(self._layouts, key, layout)
        return layout.read(payload)


def _keep[K, V](kept: dict[K, V], key: K, value: V) -> None:
    """Add to what is kept; the oldest makes room."""
    if len(kept) >= _MOST_KEPT:
        del kept[next(iter(kept))]
    kept[key] = value


def _flag_id(letters: bytes) -> str | None:
    """Read the maker's letters of a system title."""
    return letters.decode("ascii") if letters.isalpha() and letters.isupper() else None


def _as_value(error: ProtocolError) -> ProtocolError:
    """Let go of where an error was raised, which would keep the decoder alive."""
    error.__context__ = None
    return error.with_traceback(None)


def from_hex(message: bytes) -> bytes:
    """Give the bytes of hex text, anything else as it is."""
    if _HEX.fullmatch(message):
        with contextlib.suppress(ValueError):
            return bytes.fromhex(message.decode("ascii"))
    return message


def _no_message(message: bytes) -> ProtocolError:
    """Say why nothing was found in a whole message."""
    if _DAMAGED.match(message):
        return ProtocolError(ErrorCode.CRC, "it begins like a message and is none")
    if message[-1:] == bytes((hdlc.FLAG,)):
        return ProtocolError(ErrorCode.TRUNCATED, "it ends like a frame and is none")
    if (kind := foreign(message)) is not None:
        return ProtocolError(ErrorCode.UNSUPPORTED, _SAYS[kind])
    return ProtocolError(ErrorCode.UNSUPPORTED, "it holds no message of a meter")
