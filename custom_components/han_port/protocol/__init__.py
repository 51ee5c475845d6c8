"""Bytes of a meter's customer port to readings; knows nothing of Home Assistant."""

from .codes import unknown_codes
from .decoder import Decoder, Foreign, foreign
from .line import Line, LineDetector, Look, candidates
from .lists import maker
from .models import model_name
from .reading import (
    ErrorCode,
    Meter,
    MeterKind,
    MeterReading,
    Outcome,
    ProtocolError,
    Quantity,
)
from .security import parse_key

__all__ = [
    "Decoder",
    "ErrorCode",
    "Foreign",
    "Line",
    "LineDetector",
    "Look",
    "Meter",
    "MeterKind",
    "MeterReading",
    "Outcome",
    "ProtocolError",
    "Quantity",
    "candidates",
    "decode",
    "foreign",
    "maker",
    "model_name",
    "parse_key",
    "unknown_codes",
]


def decode(
    message: bytes,
    *,
    encryption_key: bytes | None = None,
    authentication_key: bytes | None = None,
) -> list[Outcome]:
    """Read one whole message; see `Decoder.decode`."""
    return Decoder(
        encryption_key=encryption_key, authentication_key=authentication_key
    ).decode(message)
