"""What is wrong with a port, by what is heard on it?"""

from collections import Counter
from enum import StrEnum

from .protocol import (
    ErrorCode,
    Foreign,
    Look,
    Meter,
    MeterReading,
    Outcome,
    Quantity,
    foreign,
)
from .protocol.envelope import is_proved

SEALED = (ErrorCode.NO_KEY, ErrorCode.WRONG_KEY)
# Messages in a row that the keys do not open until new ones are asked for: the first of a
# stream may be damaged in a way that looks like it.
SEALED_TIMES = 3

# Bytes to keep from the beginning: what is no meter says so at once.
_KEPT = 512

_DAMAGED = (ErrorCode.CRC, ErrorCode.TRUNCATED)


class Diagnosis(StrEnum):
    """What is wrong; the value is the translation key."""

    NOTHING_RECEIVED = "nothing_received"
    NO_VALID_FRAME = "no_valid_frame"
    INVERTED = "inverted"
    BAD_CHECKSUMS = "bad_checksums"
    SHORT_LISTS_ONLY = "short_lists_only"
    ENCRYPTED = "encrypted"
    UNKNOWN_LIST = "unknown_list"
    TELNET = "telnet"
    PORT_IN_USE = "port_in_use"
    HTTP = "http"
    DECODED_VALUES = "decoded_values"
    TEXT = "text"
    CLOSED = "closed"


_FOREIGN = {
    Foreign.TELNET: Diagnosis.TELNET,
    Foreign.PORT_IN_USE: Diagnosis.PORT_IN_USE,
    Foreign.HTTP: Diagnosis.HTTP,
    Foreign.DECODED: Diagnosis.DECODED_VALUES,
    Foreign.TEXT: Diagnosis.TEXT,
}


class Heard:
    """What came out of a port since it was opened.

    `lists` counts intact lists by kind, `errors` what was wrong with the rest. `closed`
    is whether the other end closed the connection, `look` what bytes without an intact
    frame looked like last, on a line whose setting was searched.
    """

    def __init__(self) -> None:
        """Start with silence."""
        self.byte_count = 0
        self.beginning = b""
        self.meter: Meter | None = None
        self.values: dict[Quantity, float] = {}
        self.unmeasured: set[Quantity] = set()
        self.lists: Counter[int | None] = Counter()
        self.errors: Counter[ErrorCode] = Counter()
        self.sealed: Outcome | None = None
        self.unknown: Outcome | None = None
        self.unknown_lists = 0
        self.look: Look | None = None
        # Whether anything was in an intact frame
        self.proved = False
        self.closed = False
        self._shut = 0

    def add(self, chunk: bytes, outcomes: list[Outcome]) -> bool:
        """Take a chunk and what the decoder made of it; say if a frame was intact."""
        self.byte_count += len(chunk)
        if len(self.beginning) < _KEPT:
            self.beginning += chunk[: _KEPT - len(self.beginning)]
        intact = False
        for outcome in outcomes:
            self.proved = self.proved or is_proved(outcome)
            match outcome.result:
                case MeterReading(meter=meter) as reading:
                    intact = True
                    self._shut = 0
                    self.lists[reading.list_kind] += 1
                    # A list of power alone may follow the one that names the meter.
                    if self.meter is None or (
                        self.meter.id is None and (meter.id or meter.manufacturer)
                    ):
                        self.meter = meter
                    self.values.update(reading.values)
                    self.unmeasured |= reading.unmeasured
                case error:
                    self.errors[error.code] += 1
                    intact = intact or error.code not in _DAMAGED
                    if error.code in SEALED:
                        self.sealed = outcome
                        self._shut += 1
                    elif error.code is ErrorCode.UNSUPPORTED:
                        self.unknown = outcome
                        self.unknown_lists += is_proved(outcome)
        return intact

    @property
    def power(self) -> float | None:
        """Import minus export in W, None if not heard."""
        power = self.values.get(Quantity.ACTIVE_POWER_IMPORT)
        if power is not None:
            power -= self.values.get(Quantity.ACTIVE_POWER_EXPORT, 0)
        return power

    @property
    def damaged(self) -> int:
        """How many frames were damaged."""
        return sum(self.errors[code] for code in _DAMAGED)

    @property
    def frames(self) -> int:
        """How many frames there were, intact or not."""
        return self.lists.total() + self.errors.total()

    @property
    def is_sealed(self) -> bool:
        """Say whether it takes another key; a single wrong one may be damage."""
        return bool(self.errors[ErrorCode.NO_KEY]) or self._shut >= SEALED_TIMES

    @property
    def has_unknown(self) -> bool:
        """Say whether lists come that are not known; a single one may lack its beginning."""
        return self.unknown_lists > 1

    @property
    def is_foreign(self) -> bool:
        """Say whether it began as something else; a meter may follow, as after a banner."""
        return not self.frames and foreign(self.beginning) is not None

    @property
    def is_no_meter(self) -> bool:
        """Say whether it began as something that no meter follows."""
        return foreign(self.beginning) in (Foreign.HTTP, Foreign.PORT_IN_USE)

    @property
    def diagnosis(self) -> Diagnosis | None:
        """What is wrong, None if a meter was heard that named itself as far as it does."""
        if self.meter is not None:
            if self.closed and self.meter.id is None:
                return Diagnosis.CLOSED
            # Long lists that never come whole are what a poor adapter makes of them.
            cut = self.meter.id is None and set(self.lists) == {1} and self.damaged
            return Diagnosis.SHORT_LISTS_ONLY if cut else None
        if self.is_sealed:
            return Diagnosis.ENCRYPTED
        if self.unknown is not None:
            return Diagnosis.UNKNOWN_LIST
        if not self.byte_count:
            return Diagnosis.CLOSED if self.closed else Diagnosis.NOTHING_RECEIVED
        kind = foreign(self.beginning)
        if kind not in (None, Foreign.TEXT):
            return _FOREIGN[kind]
        if self.errors[ErrorCode.CRC] or self.errors[ErrorCode.WRONG_KEY]:
            return Diagnosis.BAD_CHECKSUMS
        if kind is Foreign.TEXT:
            return Diagnosis.TEXT
        if self.closed:
            return Diagnosis.CLOSED
        if self.look is Look.INVERTED:
            return Diagnosis.INVERTED
        return Diagnosis.NO_VALID_FRAME
