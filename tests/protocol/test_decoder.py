"""How do bytes become readings, and what becomes of all others?"""

import gc
import weakref

import pytest

from custom_components.han_port.protocol import (
    Decoder,
    ErrorCode,
    Foreign,
    MeterReading,
    Outcome,
    ProtocolError,
    Quantity,
    decode,
    foreign,
)

from . import vectors
from .build import LLC, at, blocks, clock, hdlc, notification, segments, structure, u32
from .check import (
    codes,
    comparable,
    readings,
    stream,
    the_error,
    the_reading,
    three_ways,
    values,
)

FRAME = vectors.AIDON_ONE_PHASE
LONG = vectors.AIDON_SWEDEN
EVN_KEY = bytes.fromhex("36C66639E48A8CA4D6BC8B282A793BBB")


def power(watts: int) -> bytes:
    """Write a short list."""
    time = b"\x09\x0c" + clock(at("2026-01-01 00:00:00"))
    return LLC + notification(structure(u32(watts)), time)


def offsets(outcomes: list[Outcome]) -> list[int]:
    """Give where readings began."""
    return [out.offset for out in outcomes if isinstance(out.result, MeterReading)]


# --- A stream of frames ---


@pytest.mark.parametrize(
    "message", [FRAME, LONG, vectors.KAMSTRUP_1, vectors.KAMSTRUP_2, vectors.KAMSTRUP_3]
)
def test_printed(message: bytes) -> None:
    """Printed frames are found whole, byte by byte and in noise."""
    three_ways(message)


def test_shared_flag() -> None:
    """The flag that closes a frame may open the next, and there may be more of them."""
    data = FRAME[:-1] + FRAME + b"\x7e\x7e\x7e" + FRAME[1:] + b"\x7e"
    assert offsets(stream([data])) == [0, 211, 425]


def test_flag_inside() -> None:
    """A frame with frames in its payload is one frame."""
    frame = hdlc(power(0x7EA02A7E))
    assert offsets(stream([frame + frame])) == [0, len(frame)]


def test_swallowed() -> None:
    """A cut frame swallows the next one's beginning, not the next one."""
    data = LONG[:300] + FRAME + FRAME
    (error, *rest) = stream([data])
    assert isinstance(error.result, ProtocolError)
    assert (error.offset, error.result.code) == (0, ErrorCode.CRC)
    assert offsets(rest) == [300, 512]
    assert len(rest) == 2


def test_one_error() -> None:
    """What fails inside the length that a damaged frame claims is the same damage."""
    damaged = bytearray(LONG)
    damaged[200:209] = b"\x7e\xa0\x10" + bytes(6)
    damaged[300:309] = b"\x7e\xa7\xff" + bytes(6)
    outcomes = stream([bytes(damaged) + FRAME + bytes(damaged)])
    assert [outcome.offset for outcome in outcomes] == [0, 581, 793]
    assert codes(outcomes) == [ErrorCode.CRC, ErrorCode.CRC]
    assert outcomes[0].frame == bytes(damaged)


def test_blame_ends() -> None:
    """A frame that is found ends what an earlier one claimed."""
    damaged = bytearray(FRAME)
    damaged[50] ^= 1
    outcomes = stream([LONG[:20] + FRAME + bytes(damaged) + LONG[:-1] + b"\0"])
    assert [outcome.offset for outcome in outcomes] == [0, 20, 232, 444]
    assert offsets(outcomes) == [20]


def test_no_start() -> None:
    """Bytes that look like no beginning give nothing."""
    assert (
        stream([b"\x7e\x7e\x90\0\0" * 100 + bytes(range(256)) * 3 + b"hello world"])
        == []
    )


def test_truncated() -> None:
    """What a stream ends in is truncated, if it is more than a flag."""
    assert stream([FRAME + b"\x7e"]) == [Outcome(0, FRAME, the_reading(decode(FRAME)))]
    for size in (2, 13, 14, 211):
        (outcome,) = stream([b"\0" + FRAME[:size]])
        assert isinstance(outcome.result, ProtocolError)
        assert outcome.result.code is ErrorCode.TRUNCATED
        assert outcome[:2] == (1, FRAME[:size])


def test_truncated_and_whole() -> None:
    """A whole frame in what a stream ends in is found at the end."""
    outcomes = stream([LONG[:20] + FRAME])
    assert [outcome.offset for outcome in outcomes] == [0, 20]
    assert codes(outcomes) == [ErrorCode.TRUNCATED]


def test_anew() -> None:
    """After the end of a stream offsets begin anew and nothing is left."""
    decoder = Decoder()
    assert decoder.feed(FRAME + LONG[:30])[0].offset == 0
    assert decoder.flush()[0].offset == 212
    assert decoder.feed(LONG[30:] + FRAME)[0].offset == 551
    assert decoder.flush() == []
    assert decoder.flush() == []


def test_unknown_payload() -> None:
    """An intact frame of something else is not supported, and costs nothing else."""
    outcomes = stream([hdlc(b""), hdlc(b"\xc4\x01\x02"), hdlc(LLC), FRAME])
    assert codes(outcomes) == [
        ErrorCode.UNSUPPORTED,
        ErrorCode.UNSUPPORTED,
        ErrorCode.TRUNCATED,
    ] or codes(outcomes) == [
        ErrorCode.TRUNCATED,
        ErrorCode.UNSUPPORTED,
        ErrorCode.TRUNCATED,
    ]
    assert len(readings(outcomes)) == 1


def test_bytearray() -> None:
    """A chunk in a buffer that is used again is not kept."""
    chunk = bytearray(FRAME)
    decoder = Decoder()
    (outcome,) = decoder.feed(chunk)  # type: ignore[arg-type]
    chunk[:] = bytes(len(chunk))
    assert outcome.frame == FRAME


# --- M-Bus and P1 ---

TELEGRAM = (
    b"/ADN9 6534\r\n\r\n0-0:1.0.0(240108164950W)\r\n1-0:1.8.0(00010117.380*kWh)\r\n"
    b"1-0:1.7.0(0004.198*kW)\r\n!"
)


def arc(text: bytes) -> bytes:
    """Give the checksum of a telegram as printed."""
    crc = 0
    for byte in text:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return b"%04X\r\n" % crc


def test_mbus() -> None:
    """The sealed message printed by Netz NÖ comes in two M-Bus frames."""
    reading = the_reading(stream([vectors.EVN_SEALED], encryption_key=EVN_KEY))
    assert reading.meter.manufacturer == "Kaifa"
    assert reading.meter.flag_id == "KFM"
    assert reading.values[Quantity.ENERGY_IMPORT] == 12.937
    (outcome,) = stream(
        [vectors.EVN_SEALED[at : at + 1] for at in range(282)], encryption_key=EVN_KEY
    )
    assert outcome == Outcome(0, vectors.EVN_SEALED, reading, outcome.plain)
    assert outcome.plain is not None
    (plain,) = decode(outcome.plain)
    assert isinstance(plain.result, MeterReading)
    assert plain.result.values == reading.values


def test_no_key() -> None:
    """Without a key the error has the system title, which names the maker."""
    error = the_error(stream([vectors.EVN_SEALED]))
    assert error.code is ErrorCode.NO_KEY
    assert error.system_title == bytes.fromhex("4b464d6750000009")


def test_wrong_key() -> None:
    """A wrong key opens nothing, and gives no value."""
    error = the_error(stream([vectors.EVN_SEALED], encryption_key=bytes(16)))
    assert error.code is ErrorCode.WRONG_KEY


@pytest.mark.parametrize("key", [b"", bytes(15), bytes(17), bytes(32)])
def test_no_key_at_all(key: bytes) -> None:
    """A key of another length is refused at once, not when a message comes."""
    with pytest.raises(ValueError, match="16 bytes"):
        Decoder(encryption_key=key)
    with pytest.raises(ValueError, match="16 bytes"):
        Decoder(authentication_key=key)


def test_lost_part() -> None:
    """A lost M-Bus frame costs its message; a last one alone is no message."""
    first, last = vectors.EVN_SEALED[:256], vectors.EVN_SEALED[256:]
    assert codes(stream([first])) == [ErrorCode.TRUNCATED]
    assert codes(stream([last])) == [ErrorCode.UNSUPPORTED]
    outcomes = stream([first + first + last + last], encryption_key=EVN_KEY)
    assert [outcome.offset for outcome in outcomes] == [0, 256, 538]
    assert offsets(outcomes) == [256]


def test_telegram() -> None:
    """A telegram is one line end longer than its checksum, which need not come."""
    telegram = TELEGRAM + arc(TELEGRAM)
    reading = the_reading(stream([telegram]))
    assert values(reading) == {
        Quantity.ENERGY_IMPORT: 10117.38,
        Quantity.ACTIVE_POWER_IMPORT: 4198,
    }
    decoder = Decoder()
    found = [
        outcome for byte in telegram * 2 for outcome in decoder.feed(bytes((byte,)))
    ]
    assert [outcome.result for outcome in found] == [reading, reading]


def test_mixed() -> None:
    """All framings may share a line, and none hides another."""
    telegram = TELEGRAM + arc(TELEGRAM)
    data = FRAME + telegram + vectors.EVN_SEALED + LONG + telegram
    whole = stream([data], encryption_key=EVN_KEY)
    assert len(readings(whole)) == len(whole) == 5
    bytewise = stream(
        (data[at : at + 1] for at in range(len(data))), encryption_key=EVN_KEY
    )
    assert comparable(bytewise) == comparable(whole)


def test_telegram_gives_way() -> None:
    """A telegram that breaks off does not hold up the frame behind it."""
    decoder = Decoder()
    assert decoder.feed(TELEGRAM[:40]) == []
    assert codes(decoder.feed(FRAME[:5])) == [ErrorCode.CRC]
    assert len(readings(decoder.feed(FRAME[5:]))) == 1


# --- Segments and blocks ---


def test_segments() -> None:
    """A message in HDLC segments is one message, LLC header in the first only."""
    parts = segments(FRAME[9:-3], 60)
    assert len(parts) == 4
    message = b"".join(parts)
    (outcome,) = stream([message])
    assert outcome == Outcome(0, message, the_reading(decode(FRAME)))
    decoder = Decoder()
    found = [
        out for at in range(len(message)) for out in decoder.feed(message[at : at + 1])
    ]
    assert found == [outcome]


@pytest.mark.parametrize("lost", range(4))
def test_lost_segment(lost: int) -> None:
    """A lost segment costs that message and not the next."""
    parts = segments(FRAME[9:-3], 60)
    broken = b"".join(part for number, part in enumerate(parts) if number != lost)
    outcomes = stream([broken + b"".join(parts)])
    assert offsets(outcomes) == [len(broken)]
    assert 1 <= len(codes(outcomes)) <= 2


@pytest.mark.parametrize(
    "order", [(0, 0, 1, 2, 3), (0, 1, 1, 2, 3), (0, 2, 1, 3), (1, 0, 2, 3)]
)
def test_disordered_segments(order: tuple[int, ...]) -> None:
    """Repeated and reordered segments give no value, or the right one."""
    parts = segments(FRAME[9:-3], 60)
    outcomes = stream([b"".join(parts[number] for number in order) + b"".join(parts)])
    right = the_reading(decode(FRAME))
    assert readings(outcomes) in ([right], [right, right])


def test_damaged_segment() -> None:
    """Segments are not joined over a damaged one, though the rest would fit."""
    ours = segments(LLC + notification(b"\x09\x82\x01\x00" + bytes(256)), 100)
    damaged = bytearray(ours[1])
    damaged[30] ^= 1
    outcomes = stream([ours[0] + bytes(damaged) + ours[1] + ours[2]])
    assert ErrorCode.CRC in codes(outcomes)
    assert not readings(outcomes)


@pytest.mark.parametrize("header", [LLC, b""])
def test_blocks(header: bytes) -> None:
    """A message in transfer blocks is one message, each in a frame of its own."""
    apdu = FRAME[12:-3]
    parts = [
        hdlc((header if at else LLC) + part) for at, part in enumerate(blocks(apdu, 90))
    ]
    message = b"".join(parts)
    assert stream([message]) == [Outcome(0, message, the_reading(decode(FRAME)))]
    for lost in range(len(parts)):
        broken = b"".join(part for number, part in enumerate(parts) if number != lost)
        outcomes = stream([broken + message])
        assert offsets(outcomes) == [len(broken)]
        assert codes(outcomes)


def test_no_block() -> None:
    """A block that is not as long as it says is an error of its own."""
    assert codes(stream([hdlc(LLC + b"\xe0\xc0\0\1\0\0\x05abc")])) == [
        ErrorCode.TRUNCATED
    ]


def test_segments_and_blocks() -> None:
    """Blocks may come in segments."""
    (block,) = blocks(FRAME[12:-3], 250)
    message = b"".join(segments(LLC + block, 70))
    assert readings(stream([message])) == [the_reading(decode(FRAME))]


# --- One message by itself ---


def test_decode() -> None:
    """A message is read as it would be in a stream."""
    assert decode(FRAME) == stream([FRAME])
    assert decode(FRAME + FRAME) == stream([FRAME + FRAME])
    assert decode(b"\0" + FRAME[:-1])[0].offset == 1


@pytest.mark.parametrize(
    "message",
    [
        FRAME[1:-1],
        FRAME[9:-3],
        FRAME[12:-3],
        FRAME.hex().encode(),
        FRAME.hex(" ").upper().encode(),
        b"\r\n" + FRAME.hex("\n", -40).encode() + b"\n",
        FRAME[12:-3].hex().encode(),
        FRAME[18:-3],
    ],
    ids=["no flags", "LLC", "APDU", "hex", "spaced", "lines", "APDU hex", "list"],
)
def test_decode_bare(message: bytes) -> None:
    """A frame without flags, an APDU, a list, and hex text of any are taken."""
    reading = the_reading(decode(message))
    assert reading == the_reading(decode(FRAME))


def test_decode_list_with_time() -> None:
    """A bare list may have its date-time before it, as readers log it."""
    apdu = power(549)[3:]
    for message in (apdu[5:], apdu):
        reading = the_reading(decode(message))
        assert reading.meter_time == at("2026-01-01 00:00:00")
        assert values(reading) == {Quantity.ACTIVE_POWER_IMPORT: 549}


def test_decode_apart() -> None:
    """A message by itself leaves the stream alone."""
    decoder = Decoder()
    decoder.feed(FRAME[:100])
    assert the_reading(decoder.decode(LONG)).list_kind == 3
    assert the_reading(decoder.feed(FRAME[100:])).list_kind == 2


@pytest.mark.parametrize(
    ("message", "code", "detail"),
    [
        (b"", ErrorCode.UNSUPPORTED, "it holds no message of a meter"),
        (bytes(40), ErrorCode.UNSUPPORTED, "it holds no message of a meter"),
        (b"abc", ErrorCode.UNSUPPORTED, "it holds no message of a meter"),
        (
            b"\x7e\x13" + FRAME[2:],
            ErrorCode.CRC,
            "it begins like a message and is none",
        ),
        (b"\x7d" + FRAME[1:], ErrorCode.TRUNCATED, "it ends like a frame and is none"),
        (FRAME[12:-4], ErrorCode.TRUNCATED, "the APDU ends inside a value"),
        (FRAME[18:-4], ErrorCode.TRUNCATED, "the APDU ends inside a value"),
        (
            FRAME[12:-3] + b"\0",
            ErrorCode.UNSUPPORTED,
            "1 bytes after the end of the list",
        ),
        (FRAME[1:-2] + b"\0", ErrorCode.CRC, "HDLC checksum is wrong"),
        (
            b"Port already in use\r\n",
            ErrorCode.UNSUPPORTED,
            "the bridge says that its port is in use or failed",
        ),
    ],
)
def test_decode_nothing(message: bytes, code: ErrorCode, detail: str) -> None:
    """A message in which nothing is found says why."""
    error = the_error(decode(message))
    assert (error.code, error.detail) == (code, detail)


def test_decode_after_false_apdu() -> None:
    """A dump that begins inside a frame with what could be an APDU is scanned."""
    assert readings(decode(b"\x0f\x00\x16\x1b\x12\x34\x7e" + FRAME)) == readings(
        decode(FRAME)
    )


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xff\xfb\x01\xff\xfd\x03", Foreign.TELNET),
        (b"\xff\xfe\x2c", Foreign.TELNET),
        (b"Port already in use\r\n", Foreign.PORT_IN_USE),
        (b"Port's device failed open\r\n", Foreign.PORT_IN_USE),
        (b'{"id":"x","data":{"P":1}}', Foreign.DECODED),
        (b"Debug: No HAN data", Foreign.TEXT),
        (b"HTTP/1.1 400 Bad Request\r\n", Foreign.HTTP),
        (b"<!DOCTYPE html>", Foreign.HTTP),
        (FRAME, None),
        (b"", None),
        (b"\xff\xff\xff", None),
    ],
)
def test_foreign(data: bytes, kind: Foreign | None) -> None:
    """What a connection began with tells a bridge that is set up otherwise."""
    assert foreign(data) is kind


# --- Errors as values ---


def test_nothing_kept_alive() -> None:
    """An error that is kept keeps neither the decoder nor a frame of the stack."""
    decoder = Decoder()
    errors = [
        outcome.result
        for outcome in decoder.feed(
            LONG[:100] + bytes(600) + hdlc(b"x") + vectors.EVN_SEALED
        )
        + decoder.decode(b"\x0f")
        + decoder.flush()
        if isinstance(outcome.result, ProtocolError)
    ]
    assert len(errors) == 4
    for error in errors:
        assert error.__traceback__ is None
        assert error.__context__ is None
        assert error.__cause__ is None
    watched = weakref.ref(decoder)
    del decoder
    gc.collect()
    assert watched() is None


def test_bounded() -> None:
    """What is pending stays small, whatever a stream promises."""
    header = hdlc(bytes(2000))[:9]
    for data in (
        header * 3000,
        header + bytes(30_000),
        b"/ABC5\r\n\r\n" + b"1-0:1.8.0(1*kWh)\r\n" * 3000,
        b"\x68\xff\xff\x68\x53" * 9000,
        b"\xdb\x08SAG12345\x82\x1f\xff\x30" * 3000,
        hdlc(LLC + bytes(1900), segmented=True)
        + hdlc(bytes(1900), segmented=True) * 100,
    ):
        decoder = Decoder()
        for start in range(0, len(data), 100):
            decoder.feed(data[start : start + 100])
            assert len(decoder._buffer) <= 16 * 1024
            assert sum(map(len, decoder._segments._payloads)) <= 64 * 1024
