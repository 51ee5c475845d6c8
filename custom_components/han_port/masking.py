"""How is whose meter it is taken out of what it sent?

Identities are masked at equal length, also inside frames, and the checksums computed
again, so that a frame can be decoded as it stands. What is enciphered stays closed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
import re
from typing import Any

from .const import CONF_METER_ID, CONF_SUBMETERS, KEYS
from .protocol import Decoder, ErrorCode, MeterReading, Outcome, ProtocolError

type Forms = set[tuple[bytes, bytes]]

# Instead of what cannot be masked, as Home Assistant writes it
REDACTED = "**REDACTED**"

# What is not as long is a number of something, and would be found everywhere.
SHORTEST_IDENTITY = 6
# And more of them than a house has are nobody's.
MOST_IDENTITIES = 20
# And half of what is not as long.
SHORTEST_DAMAGED = 8
# And what of one is at the edge of a recording
SHORTEST_PART = 4

# What in these may be an identity is not known.
DAMAGED = (ErrorCode.CRC, ErrorCode.TRUNCATED, ErrorCode.UNSUPPORTED)

# Lines of a telegram that say who the meter or a submeter is; 0-0:96.1.4 is a version.
IDENTITY_LINE = re.compile(
    rb"(-\d+:(?:96\.1\.(?!4\()\d+|42\.0\.0|0\.0\.\d+)\()([0-9A-Za-z]{6,})(?=\))"
)
# In a damaged frame an id cannot be known for sure: all that is as long as one, and has
# no decimals and no unit.
DIGITS = re.compile(rb"(?<![0-9.])(?:[0-9]{6,}|(?:3[0-9]){6,})(?![0-9.*])")
# The system title of a ciphered APDU: the maker's letters and a serial number
TITLE = re.compile(rb"(\xdb\x08[A-Z]{3}).{5}", re.DOTALL)
# Enciphered lines of a telegram have no title.
CIPHERED = re.compile(rb"\xdb\x08[A-Z]{3}|\n\x00\x82")

# In text that is no meter's: addresses and numbers, and what follows words for secrets
ADDRESS = re.compile(r"(?:[0-9A-Fa-f]{1,4}[.:-]){3,}[0-9A-Fa-f]{1,4}")
NUMBER = re.compile(r"[0-9A-Fa-f]*[0-9]{5}[0-9A-Fa-f]*")
SECRET = re.compile(
    r"(?i)(\b(?:id|pw|\w*(?:ssid|pass|pwd|psk|key|secret|token|user|name|host|mac|ip"
    r"|topic|connected to)\w*)\b\W{1,4})[^,;\"}\r\n]+"
)
LONGEST_TEXT = 200

# The end of one frame and the beginning of the next
BETWEEN = rb".{6,32}?"


def mask(identity: str) -> str:
    """Keep the half that makers have in common, one less, and put 0 for the rest."""
    keep = max(len(identity) // 2 - 1, 0)
    return identity[:keep] + "0" * (len(identity) - keep)


def without_host(device: str) -> str:
    """Leave of a URL what kind of bridge it is, and the port; a local path stays."""
    return re.sub(r"://.*?(:\d{1,5})?(/.*)?$", rf"://{REDACTED}\1", device)


def masked_text(text: str) -> str:
    """Give the beginning of a text that is no meter's, without addresses and numbers."""
    text = SECRET.sub(lambda match: match[1] + REDACTED, text[:LONGEST_TEXT])
    return NUMBER.sub(lambda match: "0" * len(match[0]), ADDRESS.sub(REDACTED, text))


def identities(outcomes: Iterable[Outcome], data: Mapping[str, Any]) -> Forms:
    """Give every form of the identities in outcomes, and what to put there.

    Also of those in the data of an entry: a damaged frame may have the rest of one. Of
    more meters than a house has only the first, as each is looked for in every frame.
    """
    results = [outcome.result for outcome in outcomes]
    named = [
        data.get(CONF_METER_ID),
        *(each["id"] for each in data.get(CONF_SUBMETERS, [])),
        *(name for result in results for name in _named(result)),
    ]
    known = [each for each in dict.fromkeys(named) if each and _is_identity(each)]
    titles = dict.fromkeys(
        result.system_title
        for result in results
        if isinstance(result, ProtocolError) and len(result.system_title) > 3
    )
    return {form for name in known[:MOST_IDENTITIES] for form in _forms(name)} | {
        (title, title[:3] + bytes(len(title) - 3))
        for title in list(titles)[:MOST_IDENTITIES]
    }


def masked_frame(outcome: Outcome, known: Forms) -> str:
    """Give a frame in hexadecimal without any identity, its checksums right as before.

    A frame whose meter named itself in a way that is not found in it is withheld, unless
    what it says is enciphered.
    """
    frame, result = outcome.frame, outcome.result
    own = [_forms(name) for name in dict.fromkeys(_named(result))]
    masked = IDENTITY_LINE.sub(lambda match: match[1] + _zeros(match[2]), frame)
    masked = TITLE.sub(lambda match: match[1] + bytes(5), masked)
    damaged = isinstance(result, ProtocolError) and result.code in DAMAGED
    known = known.union(*own)
    for identity, replacement in sorted(known, key=lambda form: -len(form[0])):
        masked = masked.replace(identity, replacement)
        if damaged and len(identity) >= SHORTEST_DAMAGED:
            masked = _mask_damaged(masked, identity, replacement)
    if damaged:
        masked = DIGITS.sub(lambda match: _zeros(match[0]), masked)
    for forms in own:
        if any(identity in frame for identity, _ in forms):
            continue
        if CIPHERED.search(frame):
            continue
        joined = _mask_divided(masked, *forms[0])
        if joined is None:
            return REDACTED
        masked = joined
    return (sealed(masked) if sealed(frame) == frame else masked).hex()


def _named(result: MeterReading | ProtocolError) -> Iterator[str]:
    """Give what the meter and its submeters call themselves."""
    if not isinstance(result, MeterReading):
        return
    for reading in (result, *result.submeters):
        meter = reading.meter
        for name in (meter.id, meter.id_alt, meter.logical_device_name):
            if name is not None and _is_identity(name):
                yield name


def _is_identity(name: str) -> bool:
    return len(name) >= SHORTEST_IDENTITY


def _forms(identity: str) -> list[tuple[bytes, bytes]]:
    """Give what an identity looks like in frames, and what to put there.

    It is sent as text, as hexadecimal text (P1), and as unsigned number (Kamstrup).
    """
    text, masked = (each.encode("latin-1") for each in (identity, mask(identity)))
    forms = [
        (text, masked),
        (text.hex().encode(), masked.hex().encode()),
        (text.hex().upper().encode(), masked.hex().upper().encode()),
    ]
    if identity.isdecimal() and int(identity) < 1 << 32:
        numbers = (b"\x06" + int(each).to_bytes(4) for each in (text, masked))
        forms.append((next(numbers), next(numbers)))
    return forms


def _mask_damaged(frame: bytes, identity: bytes, replacement: bytes) -> bytes:
    """Mask an identity of which damage has spared one half."""
    half = len(identity) // 2
    first, rest = re.escape(identity[:half]), re.escape(identity[half:])
    frame = re.sub(
        b"(?s)%b.{0,%d}" % (first, len(identity) - half),
        lambda match: replacement[: len(match[0])],
        frame,
    )
    return re.sub(
        b"(?s).{0,%d}%b" % (half, rest),
        lambda match: replacement[-len(match[0]) :],
        frame,
    )


def _mask_divided(frame: bytes, identity: bytes, replacement: bytes) -> bytes | None:
    """Mask an identity of which one frame has the beginning and the next the rest."""
    for at in range(1, len(identity)):
        first, rest = re.escape(identity[:at]), re.escape(identity[at:])
        pattern = b"(?s)" + first + b"(" + BETWEEN + b")" + rest
        if (match := re.search(pattern, frame)) is not None:
            start, end = match.span()
            divided = replacement[:at] + match[1] + replacement[at:]
            return frame[:start] + divided + frame[end:]
    return None


def _zeros(digits: bytes) -> bytes:
    """Mask an identity, which may be hexadecimal text of one, in a telegram."""
    text = digits.decode("ascii")
    if re.fullmatch(r"(?:[2-7][0-9A-Fa-f])+", text):
        text = bytes.fromhex(text).decode("ascii")
        return mask(text).encode("ascii").hex().upper().encode("ascii")
    return mask(text).encode("ascii")


def sealed(frame: bytes) -> bytes:
    """Compute the checksums of frames, or of a telegram, again."""
    data = bytearray(frame)
    at = 0
    while at < len(data):
        match data[at]:
            case 0x7E:  # HDLC: see protocol.hdlc
                end = at + 1 + (int.from_bytes(data[at + 1 : at + 3]) & 0x7FF)
                if data[end : end + 1] != b"\x7e" and b"\r\n" in data:
                    # An adapter has put 0D before every 0A.
                    plain = sealed(frame.replace(b"\r\n", b"\n"))
                    return plain.replace(b"\n", b"\r\n")
                fcs = _crc(data[at + 1 : end - 2], 0x8408, 0xFFFF) ^ 0xFFFF
                data[end - 2 : end] = fcs.to_bytes(2, "little")
                at = end + 1
            case 0x68:  # M-Bus: see protocol.mbus
                end = at + 4 + sum(data[at + 1 : at + 2])
                if data[end + 1 : end + 2] != b"\x16":
                    end += 256  # a length modulo 256
                data[end : end + 1] = bytes((sum(data[at + 4 : end]) & 0xFF,))
                at = end + 2
            case 0x2F:  # P1: see protocol.p1
                end = data.find(b"!", at) + 1
                if digits := len(data[end : end + 4]):
                    # Some meters leave leading zeros out.
                    crc = b"%X" % _crc(data[at:end], 0xA001, 0)
                    data[end : end + 4] = crc.zfill(4) if digits == 4 else crc
                break
            case _:  # an APDU by itself has none
                break
    return bytes(data)


def _crc(data: bytes | bytearray, polynomial: int, crc: int) -> int:
    """Compute a reflected CRC-16 from its initial value on."""
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
    return crc


def masked_recording(
    chunks: Sequence[bytes], data: Mapping[str, Any], *, whole: bool
) -> list[bytes]:
    """Mask identities in what a port received, every chunk as long as it was.

    `data` is that of the entry. With `whole` each chunk is messages of its own; without,
    they go on from chunk to chunk. It takes some seconds for what a port receives in
    minutes.
    """
    keys = {name: bytes.fromhex(data[name]) for name in KEYS if name in data}
    if whole:
        read = [(chunk, Decoder(**keys).decode(chunk)) for chunk in chunks]
    else:
        decoder, stream = Decoder(**keys), b"".join(chunks)
        read = [(stream, decoder.feed(stream) + decoder.flush())]
    known = identities([each for _, outcomes in read for each in outcomes], data)
    masked = [_masked_stream(stream, outcomes, known) for stream, outcomes in read]
    if whole:
        return masked
    ends = list(accumulate(map(len, chunks)))
    return [
        masked[0][end - len(each) : end] for end, each in zip(ends, chunks, strict=True)
    ]


def _masked_stream(data: bytes, outcomes: Iterable[Outcome], known: Forms) -> bytes:
    """Mask all frames in some bytes, and what is between them as if it were damaged."""
    parts, at = [], 0
    for outcome in outcomes:
        start, frame = outcome.offset, outcome.frame
        if start < at or data[start : start + len(frame)] != frame:
            continue
        masked = masked_frame(outcome, known)
        parts.append(_masked_rest(data[at:start], known))
        parts.append(bytes(len(frame)) if masked == REDACTED else bytes.fromhex(masked))
        at = start + len(frame)
    parts.append(_masked_rest(data[at:], known))
    return b"".join(parts)


def _masked_rest(data: bytes, known: Forms) -> bytes:
    """Mask what looks like an identity, also one that begins or ends outside."""
    outcome = Outcome(0, data, ProtocolError(ErrorCode.TRUNCATED, ""))
    masked = bytes.fromhex(masked_frame(outcome, known))
    for identity, replacement in known:
        for length in range(len(identity) - 1, SHORTEST_PART - 1, -1):
            if masked.startswith(identity[-length:]):
                masked = replacement[-length:] + masked[length:]
            if masked.endswith(identity[:length]):
                masked = masked[:-length] + replacement[:length]
    return masked
