"""Print what captures say, one JSON object a line; see scripts/decode.

Reads a binary dump, hex text, P1 text or the downloaded diagnostics of HAN Port from files
or standard input. Keys and units are
those of the capture corpus: power in W and var, energy in kWh and kvarh, V, A, Hz, power
factor as a fraction.
"""

import argparse
import contextlib
import importlib.util
import json
import os
from pathlib import Path
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from custom_components.han_port import protocol
else:
    # By file location, so that the integration around it, and with it Home Assistant,
    # is not imported.
    _folder = (
        Path(__file__).resolve().parents[1] / "custom_components/han_port/protocol"
    )
    _spec = importlib.util.spec_from_file_location("protocol", _folder / "__init__.py")
    protocol = importlib.util.module_from_spec(_spec)
    sys.modules["protocol"] = protocol
    _spec.loader.exec_module(protocol)

_IDENTITY = {
    "manufacturer": "meter_manufacturer",
    "type": "meter_type",
    "id": "meter_id",
    "list_version": "list_version",
    "logical_device_name": "logical_device_name",
    "flag_id": "flag_id",
}


def _key(text: str) -> bytes:
    """Read a key from an argument."""
    if (key := protocol.parse_key(text)) is None:
        raise argparse.ArgumentTypeError("a key is 32 hexadecimal digits")
    return key


def _number(value: float) -> float:
    """Print 250, not 250.0: the meter sends no such digit."""
    return int(value) if value == int(value) else value


def _reading(reading: protocol.MeterReading) -> dict[str, Any]:
    meter = reading.meter
    printed: dict[str, Any] = {"list_kind": reading.list_kind}
    for field, key in _IDENTITY.items():
        if (value := getattr(meter, field)) is not None:
            printed[key] = value
    if meter.id_raw is not None:
        printed["meter_id_raw"] = meter.id_raw
    if meter.id_alt is not None:
        printed["meter_id_alt"] = [meter.id_alt]
    if reading.meter_time is not None:
        printed["meter_time"] = reading.meter_time.isoformat()
    if reading.meter_time_alt is not None:
        printed["meter_time_alt"] = [reading.meter_time_alt.isoformat()]
    for quantity, value in reading.values.items():
        printed[quantity.value] = _number(value)
    if reading.text is not None:
        printed["text"] = reading.text
    if reading.submeters:
        printed["submeters"] = [
            {"kind": submeter.meter.kind.value, "channel": submeter.meter.channel}
            | _reading(submeter)
            for submeter in reading.submeters
        ]
    return printed


def _result(outcome: protocol.Outcome) -> dict[str, Any]:
    result = outcome.result
    if isinstance(result, protocol.MeterReading):
        return {"offset": outcome.offset, "reading": _reading(result)}
    return {
        "offset": outcome.offset,
        "error": result.code.value,
        "detail": result.detail,
    }


def _messages(
    decoder: protocol.Decoder, name: str, texts: Iterable[str], detail: str
) -> Iterator[dict[str, Any]]:
    """Read each text as one message in hex; `detail` says of one that it is none."""
    for number, text in enumerate(texts):
        if not text:
            continue
        try:
            message = bytes.fromhex(text)
        except ValueError:
            yield {
                name: number,
                "offset": 0,
                "error": protocol.ErrorCode.UNSUPPORTED.value,
                "detail": detail,
            }
            continue
        for outcome in decoder.decode(message):
            yield {name: number, **_result(outcome)}


def _lines(decoder: protocol.Decoder, data: bytes) -> Iterator[dict[str, Any]]:
    """Read every line as one message in hex."""
    texts = (line.decode("latin-1").strip() for line in data.splitlines())
    return _messages(decoder, "line", texts, "the line is not hexadecimal")


def _whole(decoder: protocol.Decoder, data: bytes) -> Iterator[dict[str, Any]]:
    """Read all of it as one dump."""
    return map(_result, decoder.decode(data))


def _frames(data: bytes) -> list[dict[str, Any]] | None:
    """Give the frames of downloaded diagnostics, None if it is no such file."""
    if data.lstrip()[:1] != b"{":
        return None
    try:
        found = json.loads(data)
        # Home Assistant puts what we give into "data" of the file.
        recent = found.get("data", found)["recent"]
        return [
            {key: str(each[key]) for key in ("frame", "plain") if key in each}
            for each in recent
        ]
    except ValueError, KeyError, TypeError, AttributeError, RecursionError:
        return None


def _recent(
    decoder: protocol.Decoder, frames: list[dict[str, str]]
) -> Iterator[dict[str, Any]]:
    """Read the frames of diagnostics, opened ones as what was in them."""
    texts = (each.get("plain") or each.get("frame") or "–" for each in frames)
    return _messages(decoder, "frame", texts, "the frame is left out")


def _run() -> int:
    parser = argparse.ArgumentParser(
        prog="decode", description="Print what captures say, one JSON object a line."
    )
    parser.add_argument("--key", type=_key, metavar="HEX", help="encryption key")
    parser.add_argument("--authentication-key", type=_key, metavar="HEX")
    parser.add_argument(
        "--lines", action="store_true", help="every line is one message in hex"
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="default: stdin")
    arguments = parser.parse_args()
    read = _lines if arguments.lines else _whole
    decoder = protocol.Decoder(
        encryption_key=arguments.key, authentication_key=arguments.authentication_key
    )
    status = 0
    for name in arguments.files or ["-"]:
        try:
            if name == "-":
                data = sys.stdin.buffer.read() if sys.stdin else b""
            else:
                data = Path(name).read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            print(f"decode: {name!r}: {reason}", file=sys.stderr)
            status = 1
            continue
        several = {"file": name} if len(arguments.files) > 1 else {}
        frames = _frames(data)
        results = read(decoder, data) if frames is None else _recent(decoder, frames)
        for result in results:
            sys.stdout.write(json.dumps(several | result) + "\n")
    sys.stdout.flush()
    return status


def main() -> int:
    """Give the exit status: 0, 1 for a file that cannot be read, 2 for wrong usage."""
    try:
        return _run()
    except BrokenPipeError:
        # Whoever reads has seen enough; nothing more may be written at exit either.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
