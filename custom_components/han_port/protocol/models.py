"""What a model is called, where its meter sends another name than is printed on it."""

from typing import Final

from .reading import Meter

# Kamstrup HAN-NVE interface description rev 3.1, 2.2. Others send the name that is
# printed on the meter.
_MODELS: Final = {
    "Kamstrup": {"6841": "Omnipower", "6851": "Omnipower", "6861": "Omnipower"},
    "Landis+Gyr": {"ZFF": "E350", "ZMF": "E350"},
}


def model_name(meter: Meter) -> str | None:
    """Name the model as on the meter, in no language; its type if no other is known."""
    if meter.type is None:
        return None
    names = _MODELS.get(meter.manufacturer or "", {})
    return next(
        (name for prefix, name in names.items() if meter.type.startswith(prefix)),
        meter.type,
    )
