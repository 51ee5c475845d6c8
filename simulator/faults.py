"""What can go wrong between a meter and its reader?

`FAULTS` is the whole list; a new fault is a row and, for the first three stages, a
function. On the command line a fault is written `NAME[:VALUE][,rate=R][,at=S][,for=S]`:
it is at work from `at` seconds after the start for `for` seconds (both in the time of the
meter, and always when not given), each time with probability `rate`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import pairwise
from math import inf
from random import Random
from typing import NamedTuple

from .encode import Value

HOUR = timedelta(hours=1)


class Moment(NamedTuple):
    """Which instants a list speaks of: when it is sent, its clock, its counters."""

    kind: int
    when: datetime
    clock: datetime
    counted: datetime


class Stage(Enum):
    """Where a fault does its work."""

    MOMENT = "the meter tells of another moment"
    VALUES = "the meter tells something else"
    LINE = "the bytes are changed on their way"
    LINK = "the connection misbehaves"


class Kind(NamedTuple):
    """One row of `FAULTS`; `value` is the default, sets the type, and has limits."""

    stage: Stage
    value: float | str | None
    text: str
    change: Callable[..., object] | None = None
    least: float = 0.0
    most: float = 1e9


def _repeat_hour(moment: Moment, _: object) -> Moment:
    if moment.kind != 3:
        return moment
    return moment._replace(clock=moment.clock - HOUR, counted=moment.counted - HOUR)


def _counters_now(moment: Moment, _: object) -> Moment:
    return moment._replace(counted=moment.when)


def _clock_off(moment: Moment, seconds: float) -> Moment:
    return moment._replace(clock=moment.clock + timedelta(seconds=seconds))


def _clock_lost(moment: Moment, _: object) -> Moment:
    return moment._replace(clock=datetime(2000, 1, 1, tzinfo=UTC))


def _zero_counters(values: dict[str, Value], _: object) -> dict[str, Value]:
    return {key: 0 if "energy" in key else value for key, value in values.items()}


def _add_energy(values: dict[str, Value], kwh: float) -> dict[str, Value]:
    return {
        key: max(0, value + kwh)
        if "energy" in key and isinstance(value, (int, float))
        else value
        for key, value in values.items()
    }


def _other_meter(values: dict[str, Value], _: object) -> dict[str, Value]:
    identity = str(values["meter_id"])
    last = len(identity.rstrip("\0")) - 1
    other = str(9 - int(identity[last]))
    return values | {"meter_id": identity[:last] + other + identity[last + 1 :]}


def _power(values: dict[str, Value], watts: float) -> dict[str, Value]:
    power = {
        "active_power_import": max(watts, 0),
        "active_power_export": max(-watts, 0),
    }
    return {key: power.get(key, value) for key, value in values.items()}


def _bit_errors(data: bytes, rate: float, random: Random) -> bytes:
    return bytes(
        byte ^ sum(1 << bit for bit in range(8) if random.random() < rate)
        for byte in data
    )


def _byte_loss(data: bytes, rate: float, random: Random) -> bytes:
    return bytes(byte for byte in data if random.random() >= rate)


def _truncate(data: bytes, part: float, _: Random) -> bytes:
    return data[: int(len(data) * part)]


def _garbage(data: bytes, count: float, random: Random) -> bytes:
    return random.randbytes(int(count)) + data


def _noise(data: bytes, _: object, random: Random) -> bytes:
    return random.randbytes(len(data))


def _drop(_data: bytes, _value: object, _random: Random) -> bytes:
    return b""


def _twice(data: bytes, _: object, _random: Random) -> bytes:
    return data * 2


def _line_feeds(data: bytes, _: object, _random: Random) -> bytes:
    return data.replace(b"\n", b"\r\n") + b"\r\n"


def _hex(data: bytes, _: object, _random: Random) -> bytes:
    return data.hex().upper().encode() + b"\r\n"


def _seven_bits(data: bytes, _: object, _random: Random) -> bytes:
    return bytes(byte & 0x7F | (byte & 0x7F).bit_count() % 2 << 7 for byte in data)


# HDLC, a data-notification, and a structure with the one text HELLO
_UNKNOWN = bytes.fromhex("7EA01C410883134DFCE6E7000F400000000002010A0548454C4C4FC15E7E")


def _unknown(_data: bytes, _value: object, _random: Random) -> bytes:
    return _UNKNOWN


def _small_buffer(data: bytes, size: float, _: Random) -> bytes:
    return data[: int(size)]


def _levels(data: bytes) -> list[int]:
    """Give the bits of a line of 8N1 whose characters follow each other without a gap."""
    line = [1]
    for byte in data:
        line += [0, *(byte >> bit & 1 for bit in range(8)), 1]
    return line + [1] * 11


def _received(line: list[int], length: int) -> bytes:
    """Read eight bits after each falling edge, the next `length` bits after it."""
    received = bytearray()
    falls = [at for at, (before, now) in enumerate(pairwise(line), 1) if before > now]
    free = 0
    for start in falls:
        if start < free:
            continue
        bits = line[start + 1 : start + 9]
        received.append(sum(each << bit for bit, each in enumerate(bits)))
        free = start + length
    return bytes(received)


def _wrong_parity(data: bytes, _: object, _random: Random) -> bytes:
    # Start, eight bits, the parity it believes in, stop
    return _received(_levels(data), 11)


def _inverted(data: bytes, _: object, _random: Random) -> bytes:
    return _received([1 - level for level in _levels(data)], 10)


FAULTS: dict[str, Kind] = {
    "repeat-hour-list": Kind(
        Stage.MOMENT,
        None,
        "hour lists have the last hour's clock and counters",
        _repeat_hour,
    ),
    "counters-now": Kind(
        Stage.MOMENT, None, "counters are those of the time of sending", _counters_now
    ),
    "clock-off": Kind(
        Stage.MOMENT,
        3600.0,
        "the clock is SECONDS fast",
        _clock_off,
        least=-1e8,
        most=1e8,
    ),
    "clock-lost": Kind(
        Stage.MOMENT, None, "the clock says 1 January 2000", _clock_lost
    ),
    "zero-counters": Kind(Stage.VALUES, None, "all counters are 0", _zero_counters),
    "counter-jump": Kind(
        Stage.VALUES,
        1000.0,
        "all counters are KWH too high",
        _add_energy,
        least=-1e6,
        most=1e6,
    ),
    "other-meter": Kind(Stage.VALUES, None, "the meter has another id", _other_meter),
    "power": Kind(
        Stage.VALUES,
        1000.0,
        "power is WATTS, whatever the house draws",
        _power,
        least=-1e5,
        most=1e5,
    ),
    "drop": Kind(Stage.LINE, None, "lists are not sent", _drop),
    "twice": Kind(Stage.LINE, None, "lists are sent twice", _twice),
    "bit-errors": Kind(
        Stage.LINE, 0.0005, "bits flip, each with PROBABILITY", _bit_errors, most=1.0
    ),
    "byte-loss": Kind(
        Stage.LINE, 0.005, "bytes vanish, each with PROBABILITY", _byte_loss, most=1.0
    ),
    "truncate": Kind(
        Stage.LINE, 0.5, "only the first PART of a list arrives", _truncate, most=1.0
    ),
    "unknown": Kind(
        Stage.LINE, None, "intact lists that no meter is known to send", _unknown
    ),
    "small-buffer": Kind(
        Stage.LINE,
        128.0,
        "only the first BYTES of a list arrive",
        _small_buffer,
        most=1e6,
    ),
    "garbage": Kind(
        Stage.LINE, 40.0, "BYTES of noise before a list", _garbage, most=1e6
    ),
    "noise": Kind(Stage.LINE, None, "nothing but noise", _noise),
    "oss-brikken": Kind(
        Stage.LINE, None, "0A arrives as 0D 0A, and 0D 0A after each list", _line_feeds
    ),
    "hex": Kind(Stage.LINE, None, "hex text, one line a list", _hex),
    "seven-bits": Kind(
        Stage.LINE, None, "seven bits and even parity, read as 8N1", _seven_bits
    ),
    "wrong-parity": Kind(
        Stage.LINE, None, "8N1 without gaps, read as 8E1", _wrong_parity
    ),
    "inverted": Kind(
        Stage.LINE, None, "8N1 without gaps, ones and zeros swapped", _inverted
    ),
    "dribble": Kind(Stage.LINK, 1.0, "BYTES at a time", least=1.0),
    "stall": Kind(Stage.LINK, None, "connected and silent"),
    "close": Kind(Stage.LINK, 60.0, "connections are closed, every SECONDS", least=1.0),
    "reset": Kind(Stage.LINK, 60.0, "connections are reset, every SECONDS", least=1.0),
    "half-open": Kind(
        Stage.LINK, None, "connections of that instant are silent for ever"
    ),
    "refuse": Kind(Stage.LINK, None, "new connections are closed at once"),
    "down": Kind(Stage.LINK, None, "nobody listens (pty: unplugged)"),
    "banner": Kind(
        Stage.LINK, "ser2net port tcp,2000", "TEXT first on a new connection"
    ),
    "busy": Kind(
        Stage.LINK, "Port already in use", "TEXT on a new connection, then closed"
    ),
    "one-reader": Kind(Stage.LINK, None, "a new connection closes those before it"),
    "telnet": Kind(Stage.LINK, None, "telnet negotiation on a new connection"),
    "hour-list-first": Kind(
        Stage.LINK, None, "the last hour list again on a new connection"
    ),
}


@dataclass(frozen=True)
class Fault:
    """One fault at work."""

    name: str
    value: float | str | None
    rate: float = 1.0
    at: float = 0.0
    lasts: float = inf

    @property
    def kind(self) -> Kind:
        """Return its row."""
        return FAULTS[self.name]

    def strikes(self, elapsed: float, random: Random) -> bool:
        """Say whether it happens now, `elapsed` seconds after the start."""
        return self.at <= elapsed < self.at + self.lasts and (
            self.rate >= 1 or random.random() < self.rate
        )

    def apply[T](self, stage: Stage, subject: T, *more: object) -> T:
        """Return `subject` as it is after this fault, if the fault is of that stage."""
        kind = self.kind
        if kind.stage is not stage or kind.change is None:
            return subject
        return kind.change(subject, self.value, *more)  # type: ignore[return-value]


def parse_fault(text: str) -> Fault:
    """Return the fault written as `text`; ValueError, in words, if there is none."""
    first, *options = text.split(",")
    name, colon, written = first.partition(":")
    if name not in FAULTS:
        raise ValueError(f"no fault is called {name!r}; there are {', '.join(FAULTS)}")
    kind = FAULTS[name]
    fault = Fault(name, kind.value)
    if colon:
        if kind.value is None:
            raise ValueError(f"the fault {name} takes no value")
        value = (
            written
            if isinstance(kind.value, str)
            else _number(written, kind.least, kind.most)
        )
        fault = replace(fault, value=value)
    for option in options:
        key, _, number = option.partition("=")
        match key:
            case "rate":
                fault = replace(fault, rate=_number(number, 0, 1))
            case "at":
                fault = replace(fault, at=_number(number, 0, 1e9))
            case "for":
                fault = replace(fault, lasts=_number(number, 0, inf))
            case _:
                raise ValueError(f"{option!r} is not rate=, at= or for=")
    return fault


def _number(text: str, least: float, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if not least <= number <= most:
        raise ValueError(f"{text} is not from {least:g} to {most:g}")
    return number
