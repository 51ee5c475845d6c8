"""How an example is put to the decoder: whole, byte by byte, and in noise."""

from collections.abc import Iterable, Mapping

from custom_components.han_port.protocol import (
    Decoder,
    ErrorCode,
    MeterReading,
    Outcome,
    ProtocolError,
    Quantity,
    decode,
)

from .build import NOISE
from .wrap import telegram


def stream(chunks: Iterable[bytes], **keys: bytes | None) -> list[Outcome]:
    """Give all outcomes of a stream that then ends."""
    decoder = Decoder(**keys)
    outcomes = [outcome for chunk in chunks for outcome in decoder.feed(chunk)]
    return outcomes + decoder.flush()


def comparable(outcomes: Iterable[Outcome]) -> list[object]:
    """Give outcomes in a form in which errors of the same words are equal."""
    return [
        (offset, frame, (result.code, result.detail, result.system_title), plain)
        if isinstance(result, ProtocolError)
        else (offset, frame, result, plain)
        for offset, frame, result, plain in outcomes
    ]


def the_reading(outcomes: list[Outcome]) -> MeterReading:
    """Give the only outcome, which must be a reading."""
    (outcome,) = outcomes
    assert isinstance(outcome.result, MeterReading), outcome.result
    return outcome.result


def the_error(outcomes: list[Outcome]) -> ProtocolError:
    """Give the only outcome, which must be an error."""
    (outcome,) = outcomes
    assert isinstance(outcome.result, ProtocolError), outcome.result
    return outcome.result


def read(lines: list[str] | str, head: str = "KAM5") -> MeterReading:
    """Read a telegram of these lines."""
    return the_reading(decode(telegram(lines, head)))


def readings(outcomes: Iterable[Outcome]) -> list[MeterReading]:
    """Give the readings among outcomes."""
    return [out.result for out in outcomes if isinstance(out.result, MeterReading)]


def codes(outcomes: Iterable[Outcome]) -> list[ErrorCode]:
    """Give the codes of the errors among outcomes."""
    return [
        out.result.code for out in outcomes if isinstance(out.result, ProtocolError)
    ]


def three_ways(message: bytes, **keys: bytes | None) -> MeterReading:
    """Read a message whole, byte by byte and in noise; give what all ways agree on.

    Nothing may come before the last byte, and only the one reading at all.
    """
    (whole,) = stream([message], **keys)
    assert isinstance(whole.result, MeterReading), whole.result
    assert whole == Outcome(0, message, whole.result, whole.plain)

    decoder = Decoder(**keys)
    early = [decoder.feed(message[at : at + 1]) for at in range(len(message) - 1)]
    assert not any(early)
    assert decoder.feed(message[-1:]) + decoder.flush() == [whole]

    outcomes = stream([NOISE + message + NOISE + message + NOISE], **keys)
    found = [out for out in outcomes if isinstance(out.result, MeterReading)]
    second = 2 * len(NOISE) + len(message)
    assert found == [
        whole._replace(offset=len(NOISE)),
        whole._replace(offset=second),
    ]
    return whole.result


def values(reading: MeterReading) -> Mapping[Quantity, float]:
    """Give the values as an ordinary dict, for comparison with one."""
    return dict(reading.values)
