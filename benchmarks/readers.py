"""How does each decoder read a stream, used as its documentation says?

    python benchmarks/readers.py NAME        started by decode.py, in an environment of its own

Takes pickled work on its standard input, and answers each with how many messages were read
and how many nanoseconds of CPU that took. `floor` only cuts frames out of a buffer, checks
the checksum and reads numbers at known places: what Python cannot go below. `first` is this
project's decoder seeing each message as the first of its kind.
"""

from binascii import crc_hqx
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module, util
import logging
import os
from pathlib import Path
import pickle
import struct
import sys
import time
from typing import Any, Final, NamedTuple

FOLDER: Final = (
    Path(__file__).resolve().parents[1] / "custom_components/han_port/protocol"
)
MIRROR: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))

# Takes chunks, says how many messages were in them.
type Reader = Callable[[Iterable[bytes]], int]


class Work(NamedTuple):
    """What is to be read: the messages as they were sent, and the chunks they come in."""

    reader: str
    meter: str
    messages: list[bytes]
    chunks: list[bytes]


def load_protocol() -> Any:
    """Load the decoder by file location, so that Home Assistant is not imported with it."""
    spec = util.spec_from_file_location("protocol", FOLDER / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules["protocol"] = module
    spec.loader.exec_module(module)
    return module


# --- This project, and the floor ---


def ours(work: Work) -> Reader:
    """Decode a stream with this project."""
    protocol = sys.modules["protocol"]
    decoder = protocol.Decoder()
    reading = protocol.MeterReading
    return lambda chunks: sum(
        isinstance(outcome.result, reading)
        for chunk in chunks
        for outcome in decoder.feed(chunk)
    )


def first(work: Work) -> Reader:
    """Decode every message with a decoder that has seen none."""
    protocol = sys.modules["protocol"]
    reading = protocol.MeterReading
    return lambda chunks: sum(
        isinstance(outcome.result, reading)
        for chunk in chunks
        for outcome in protocol.Decoder().feed(chunk)
    )


def floor(work: Work) -> Reader:
    """Read numbers at the places where they are in these very messages."""
    if work.messages[0][:1] == b"/":
        return _floor_of_text(work.messages[0])
    places = {len(frame): _places(frame) for frame in work.messages}
    buffer = bytearray()

    def read(chunks: Iterable[bytes]) -> int:
        count = 0
        for chunk in chunks:
            buffer.extend(chunk)
            while len(buffer) > 2:
                length = (buffer[1] & 0x07) << 8 | buffer[2]
                if len(buffer) < length + 2:
                    break
                body = bytes(buffer[1 : length + 1])
                del buffer[: length + 2]
                if crc_hqx(body.translate(MIRROR), 0xFFFF) == 0x1D0F:
                    names, unpack = places[length + 2]
                    count += bool(dict(zip(names, unpack(body), strict=True)))
        return count

    return read


def _places(frame: bytes) -> tuple[list[int], Callable[[bytes], tuple[int, ...]]]:
    """Find the numbers of 16 and 32 bits in a frame, with the decoder's help."""
    dlms = sys.modules["protocol.dlms"]
    start = frame.index(b"\xe6\xe7\x00\x0f") + 3
    found: list[tuple[int, str]] = []

    def visit(node: Any) -> None:
        if isinstance(node, dlms.Branch):
            for item in node.items:
                visit(item)
        elif node.tag in (0x06, 0x10, 0x12):
            found.append((node.start + start - 1, dlms.WHOLE_NUMBERS[node.tag]))

    visit(dlms.parse_notification(frame[start:-3]).body)
    layout, end = ">", 0
    for at, code in found:
        layout += f"{at - end}x{code}"
        end = at + struct.calcsize(code)
    return [at for at, _ in found], struct.Struct(layout).unpack_from


def _floor_of_text(telegram: bytes) -> Reader:
    """Read what is between `(` and `*` in a telegram, where it is in the first."""
    intact = sys.modules["protocol.p1"].intact
    spans = []
    at = 0
    while (unit := telegram.find(b"*", at)) >= 0:
        spans.append((telegram.rindex(b"(", 0, unit) + 1, unit))
        at = unit + 1
    buffer = bytearray()

    def read(chunks: Iterable[bytes]) -> int:
        count = 0
        for chunk in chunks:
            buffer.extend(chunk)
            while (end := buffer.find(b"!")) >= 0 and len(buffer) >= end + 7:
                text = bytes(buffer[: end + 1])
                checksum = int(buffer[end + 1 : end + 5], 16)
                del buffer[: end + 7]
                if intact(text, checksum):
                    count += bool({at: float(text[at:end]) for at, end in spans})
        return count

    return read


# --- The peers ---


def amshan(work: Work) -> Reader:
    """Decode as amshan's own integration does: a reader of frames, then AutoDecoder."""
    text = work.messages[0][:1] == b"/"
    frames = (
        import_module("han.dlde").ModeDReader()
        if text
        else import_module("han.hdlc").HdlcFrameReader()
    )
    decoder = import_module("han.autodecoder").AutoDecoder()

    def read(chunks: Iterable[bytes]) -> int:
        count = 0
        for chunk in chunks:
            try:
                for message in frames.read(chunk):
                    count += decoder.decode_message(message) is not None
            except UnicodeDecodeError:
                # The integration loses the connection here.
                continue
        return count

    return read


def dlms_cosem(work: Work) -> Reader:
    """Decode as its example for the Norwegian port does, which takes whole frames.

    It reads no stream of notifications: frames are cut out for it as by `floor`.
    """
    frame_type = import_module("dlms_cosem.hdlc.frames").UnnumberedInformationFrame
    notification = import_module("dlms_cosem.protocol.xdlms").DataNotification
    parse = import_module("dlms_cosem.utils").parse_as_dlms_data
    errors = import_module("dlms_cosem.hdlc.exceptions").HdlcParsingError, ValueError
    buffer = bytearray()

    def read(chunks: Iterable[bytes]) -> int:
        count = 0
        for chunk in chunks:
            for frame in _cut(buffer, chunk):
                try:
                    payload = frame_type.from_bytes(frame).payload
                    # The LLC header is to be left out.
                    count += bool(parse(notification.from_bytes(payload[3:]).body))
                except errors:
                    continue
        return count

    return read


def _cut(buffer: bytearray, chunk: bytes) -> Iterator[bytes]:
    """Cut frames out by their lengths."""
    buffer += chunk
    while len(buffer) > 2:
        size = ((buffer[1] & 0x07) << 8 | buffer[2]) + 2
        if len(buffer) < size:
            break
        yield bytes(buffer[:size])
        del buffer[:size]


def gurux_dlms(work: Work) -> Reader:
    """Decode as its example of a listener for pushed messages does, without its XML."""
    client = import_module("gurux_dlms").GXDLMSClient(True)
    reply = import_module("gurux_dlms.GXByteBuffer").GXByteBuffer()
    data_type = import_module("gurux_dlms.GXReplyData").GXReplyData
    notify = data_type()

    def read(chunks: Iterable[bytes]) -> int:
        count = 0
        for chunk in chunks:
            reply.set(chunk)
            # What comes together is read one message a call.
            while True:
                left = reply.available()
                try:
                    client.getData(reply, data_type(), notify)
                except Exception:  # noqa: BLE001 - as in the example; it raises anything
                    notify.clear()
                    break
                if not notify.complete or notify.isMoreData():
                    break
                count += notify.value is not None
                notify.clear()
                if not 0 < reply.available() < left:
                    break
        return count

    return read


def dsmr_parser(work: Work) -> Reader:
    """Decode with its buffer and parser, as its README and Home Assistant's dsmr do."""
    buffer = import_module("dsmr_parser.clients.telegram_buffer").TelegramBuffer()
    specifications = import_module("dsmr_parser.telegram_specifications")
    errors = import_module("dsmr_parser.exceptions")
    parser = import_module("dsmr_parser.parsers").TelegramParser(
        specifications.SWEDEN if work.meter == "p1-se" else specifications.V5
    )

    def read(chunks: Iterable[bytes]) -> int:
        count = 0
        for chunk in chunks:
            buffer.append(chunk.decode("latin-1"))
            for telegram in buffer.get_all():
                try:
                    count += parser.parse(telegram) is not None
                except errors.InvalidChecksumError, errors.ParseError:
                    continue
        return count

    return read


READERS: Final[dict[str, Callable[[Work], Reader]]] = {
    "ours": ours,
    "first": first,
    "floor": floor,
    "amshan": amshan,
    "dlms-cosem": dlms_cosem,
    "gurux-dlms": gurux_dlms,
    "dsmr-parser": dsmr_parser,
}


def serve(own: Sequence[str]) -> None:
    """Do what is asked for until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    # Some print what they cannot read.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    logging.disable()
    if "ours" in own:
        load_protocol()
    reader: Reader | None = None
    chunks: list[bytes] = []
    while True:
        try:
            work = pickle.load(sys.stdin.buffer)  # noqa: S301 - from decode.py
        except EOFError:
            return
        if isinstance(work, Work):
            reader, chunks = READERS[work.reader](work), work.chunks
        assert reader is not None
        begin = time.process_time_ns()
        found = reader(chunks)
        spent = time.process_time_ns() - begin
        pickle.dump((found, spent), answers)
        answers.flush()


if __name__ == "__main__":
    sys.modules["readers"] = sys.modules["__main__"]
    serve(sys.argv[1:])
