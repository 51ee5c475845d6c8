"""What the model is called that a type number stands for."""

from typing import Final

from .reading import Meter

# Aidon HAN Interface Description v1.1A, 4.1; Kaifa HAN OBIS codes; Kamstrup HAN-NVE
# interface description rev 3.1, 2.2. The longest prefix counts.
_MODELS: Final = {
    "Aidon": {
        "6515": "6515 (one-phase)",
        "6525": "6525 (three-phase, three-wire)",
        "6534": "6534 (three-phase, four-wire)",
        "6540": "6540 (three-phase, three-wire, current transformers)",
        "6550": "6550 (three-phase, four-wire, current transformers)",
    },
    "Kaifa": {
        "MA105": "MA105 (one-phase)",
        "MA304H3": "MA304H3 (three-phase, three-wire)",
        "MA304H4": "MA304H4 (three-phase, four-wire)",
        "MA304T3": "MA304T3 (three-phase, three-wire, current transformers)",
        "MA304T4": "MA304T4 (three-phase, four-wire, current transformers)",
    },
    "Kamstrup": {
        "6861": "Omnipower one-phase",
        "684112": "Omnipower three-phase, three-wire",
        "684113": "Omnipower three-phase",
        "685112": "Omnipower three-phase, three-wire, current transformers",
        "685113": "Omnipower three-phase, current transformers",
    },
    "Landis+Gyr": {"ZFF": "E350 (three-phase, three-wire)", "ZMF": "E350"},
}


def model_name(meter: Meter) -> str | None:
    """Name the model by the type number it sends; the number itself if not known."""
    if meter.type is None:
        return None
    names = _MODELS.get(meter.manufacturer or "", {})
    return next(
        (name for prefix, name in names.items() if meter.type.startswith(prefix)),
        meter.type,
    )
