"""Bytes of a meter's customer port to readings; knows nothing of Home Assistant."""

from .decoder import Decoder, Foreign, foreign
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

__all__ = [
    "Decoder",
    "ErrorCode",
    "Foreign",
    "Meter",
    "MeterKind",
    "MeterReading",
    "Outcome",
    "ProtocolError",
    "Quantity",
    "decode",
    "foreign",
    "model_name",
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
