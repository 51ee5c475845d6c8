"""How must a serial line be set, by what its bytes look like?

A wrong setting still gives bytes, and what they look like says which way it is wrong.
Whether a setting is right only a checksum proves: as soon as a frame is intact, the
search is over.
"""

from enum import StrEnum
from typing import Final, NamedTuple, Self


class Line(NamedTuple):
    """Baud, bits and parity (`N` or `E`) of a line; one stop bit always."""

    baudrate: int
    byte_size: int
    parity: str

    def __str__(self) -> str:
        """Give it as people write it: 2400 8N1."""
        return f"{self.baudrate} {self.byte_size}{self.parity}1"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read what `str` gave, None if it is nothing of the kind."""
        return next((cls(*line) for line in LINES if str(line) == text), None)


# All that meters and adapters are set to. 9600 7E1 of DSMR 2 and 3 is read as 9600 8N1:
# the decoder takes the parity bit off where every byte proves that it is one.
_P1: Final = Line(115200, 8, "N")
_HAN: Final = Line(2400, 8, "N")
_EVEN: Final = Line(2400, 8, "E")
_OLD_P1: Final = Line(9600, 8, "N")
_AM550: Final = Line(38400, 8, "N")
LINES: Final = (_HAN, _EVEN, _P1, _OLD_P1, Line(9600, 8, "E"), _AM550)

# Where the customer port is a P1, and where it is an M-Bus whose bytes have parity
_P1_COUNTRIES: Final = frozenset("BE EE FI HU IE LT LU NL SE".split())
_EVEN_COUNTRIES: Final = frozenset("AT CH".split())

# Seconds without a byte after which a burst is over. Bridges and adapters hold bytes
# back for less; meters pause for at least 0.5 s between messages.
_PAUSE: Final = 0.3
# A burst that begins this soon after the line was set may have lost its beginning.
_JOINED: Final = 0.25
_SHORTEST: Final = 8
# Shorter ones are noise. So many in a row are all that a line shows that is much faster.
_FEW: Final = 2
# Bytes that are not text by chance
_TELLING: Final = 64
# Bytes that are looked at of a burst, and after which one without an end is judged
_LOOKED_AT: Final = 1024
# Without a byte for so long, in s, the next speed is tried: once for each
_SILENCE: Final = 16
# A byte is ten bits, so a line of 2400 baud makes at most 240 breaks a second at 115200,
# and each is seen as up to two bytes.
_BREAKS: Final = 1200


class Look(StrEnum):
    """What bytes of which no frame is intact look like."""

    TOO_FAST = "too_fast"
    INVERTED = "inverted"
    FRAMES = "frames"
    NOISE = "noise"


def look(data: bytes) -> Look:
    """Say what a burst without an intact frame looks like.

    Read too fast, every bit of the line is seen several times: bytes are runs of zeros
    and ones. On an inverted line text has its high bits set.
    """
    runs = sum(byte in _RUNS for byte in data)
    if runs > 0.9 * len(data) and data.count(0) > 0.3 * len(data):
        return Look.TOO_FAST
    high = sum(byte >= 0x80 for byte in data)
    turned = sum(_is_text(~(byte >> 1) & 0x7F) for byte in data[4:])
    if (
        len(data) >= _TELLING
        and high > 0.75 * len(data)
        and turned > 0.9 * len(data[4:])
    ):
        return Look.INVERTED
    # A disturbance may come before the first byte, which is right in any parity.
    if any(byte in b"~/h" for byte in data[:4]):
        return Look.FRAMES
    return Look.NOISE


# Zeros and ones in at most two changes: what a bit seen several times makes
_RUNS: Final = frozenset(
    byte for byte in range(256) if (byte ^ byte >> 1).bit_count() <= 2
)


def _is_text(byte: int) -> bool:
    return 0x20 <= byte < 0x7F or byte in b"\r\n"


def candidates(country: str | None) -> list[Line]:
    """Give the settings in the order to try, by the ISO code of the country."""
    if country in _P1_COUNTRIES:
        first = [_P1, _HAN]
    elif country == "SI":
        first = [_AM550, _P1]
    elif country in _EVEN_COUNTRIES:
        first = [_EVEN, _OLD_P1, _P1]
    else:
        # Without parity first: its receiver reads bytes with parity too, if their
        # pauses are long enough, but not the other way round.
        first = [_HAN, _EVEN]
    return first + [line for line in LINES if line not in first]


class LineDetector:
    """Finds the setting of a line. Times are seconds of any one clock.

    `line` is what it has to be set to now. Take each chunk with `take`, and ask `change`
    whenever `deadline` has come: it moves on to another setting when what came proves
    the present one wrong. After an intact frame there is no more to ask. `look` is what
    the last burst without an intact frame looked like.
    """

    def __init__(
        self, when: float, country: str | None, known: Line | None = None
    ) -> None:
        """Begin with a setting that is known, and go on behind it; or with the country's.

        It has worked before, or a search that was given up has come so far.
        """
        lines = candidates(country)
        if known is not None:
            # A port without parity may have been set as no meter is.
            at = lines.index(known) if known in lines else 0
            lines = list(dict.fromkeys([known, *lines[at:], *lines[:at]]))
        self._lines = lines
        self._left = lines[1:]
        self.line = lines[0]
        self.look: Look | None = None
        self._burst = bytearray()
        self._begin(when)

    def _begin(self, when: float) -> None:
        self._set = self._last = when
        self._few = 0
        self._started: float | None = None
        self._burst.clear()

    @property
    def deadline(self) -> float:
        """When `change` is to be asked next, if nothing comes before."""
        return self._last + (_PAUSE if self._burst else _SILENCE)

    def take(self, when: float, chunk: bytes) -> None:
        """Take bytes that made no intact frame."""
        if self._started is None or when - self._last >= _PAUSE:
            self._started = when
            self._burst.clear()
        self._last = when
        self._burst += chunk[: _LOOKED_AT - len(self._burst)]

    def change(self, when: float) -> Line | None:
        """Give the setting to go on with if the present one has proved wrong."""
        if self._started is None:
            if when < self._last + _SILENCE:
                return None
            # A wrong speed shows bytes too, so this is rarely of use; it is cheap.
            self._last = when
            slower = [
                line for line in self._left if line.baudrate != self.line.baudrate
            ]
            return self._go_on(when, slower[0]) if slower else None
        ended = when >= self._last + _PAUSE
        if not ended and len(self._burst) < _LOOKED_AT:
            return None
        burst, self._burst = bytes(self._burst), bytearray()
        started, self._started = self._started, None
        if started - self._set < _JOINED:
            if not ended:  # what follows belongs to it too
                self._set = when
            return None
        if len(burst) < _SHORTEST:
            self._few += 1
            fastest = self.line.baudrate == _P1.baudrate
            return None if fastest or self._few < _FEW else self._faster(when)
        self._few = 0
        self.look = look(burst)
        if self.look is Look.TOO_FAST:
            rate = len(burst) / max(self._last - started, 0.1)
            return self._slower(when, rate)
        return self._next(when)

    def _slower(self, when: float, rate: float) -> Line | None:
        """Go on with a slower setting; how many bytes a second came says which."""
        if self.line.baudrate <= _HAN.baudrate:
            return self._next(when)
        slow = self.line.baudrate < _P1.baudrate or rate < _BREAKS
        baudrate = _HAN.baudrate if slow else _OLD_P1.baudrate
        found = [line for line in self._left if line.baudrate == baudrate]
        return self._go_on(when, found[0]) if found else self._next(when)

    def _faster(self, when: float) -> Line | None:
        """Go on with the fastest setting: of a list a slow receiver sees some bytes."""
        found = [line for line in self._left if line.baudrate > self.line.baudrate]
        if not found:
            return self._next(when)
        return self._go_on(when, max(found, key=lambda line: line.baudrate))

    def _next(self, when: float) -> Line | None:
        """Go on with the next setting, of the same speed first only if frames are seen."""
        if not self._left:
            self._left = list(self._lines)
        likely = [
            line
            for line in self._left
            if (line.baudrate == self.line.baudrate) == (self.look is Look.FRAMES)
        ]
        return self._go_on(when, (likely or self._left)[0])

    def _go_on(self, when: float, line: Line) -> Line | None:
        self._left.remove(line)
        if line == self.line:
            return None
        self.line = line
        self._begin(when)
        return line
