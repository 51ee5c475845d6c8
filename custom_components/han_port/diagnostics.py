"""What can a user send us?

Everything that explains a failure or adds a meter, and nothing that says whose meter it
is: identities are masked, as `masking` tells, and keys left out. What a key opened is
given beside the frame, which stays closed.
"""

from importlib.metadata import version
import re
from typing import Any

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.const import CONF_DEVICE, __version__
from homeassistant.core import HomeAssistant
from homeassistant.loader import async_get_integration

from .const import (
    CONF_LINE,
    CONF_METER_ID,
    CONF_MOVE,
    CONF_MOVED,
    CONF_SUBMETERS,
    DOMAIN,
    KEYS,
)
from .coordinator import HanPortConfigEntry, HanPortCoordinator
from .masking import (
    Forms,
    identities,
    mask,
    masked_frame,
    masked_text,
    sealed,
    without_host,
)
from .protocol import (
    ErrorCode,
    MeterReading,
    Outcome,
    ProtocolError,
    foreign,
    unknown_codes,
)

# A telegram without checksum
ENDS_BARE = re.compile(rb"\A/(?s:.*)(?=!\s*\Z)")


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: HanPortConfigEntry
) -> dict[str, Any]:
    """Return what the entry remembers, and what its meter sent last."""
    data = async_redact_data(entry.data, {*KEYS, CONF_MOVE, CONF_MOVED})
    if entry.data[CONF_METER_ID] is not None:
        data[CONF_METER_ID] = mask(entry.data[CONF_METER_ID])
    if submeters := entry.data.get(CONF_SUBMETERS):
        data[CONF_SUBMETERS] = [
            each | {"id": each["id"] and mask(each["id"])} for each in submeters
        ]
    data[CONF_DEVICE] = without_host(entry.data[CONF_DEVICE])
    integration = await async_get_integration(hass, DOMAIN)
    diagnostics: dict[str, Any] = {
        "versions": {
            "home_assistant": __version__,
            "han_port": str(integration.version),
            "serialx": version("serialx"),
        },
        "entry": {"data": data, "options": dict(entry.options)},
    }
    # An entry that is not loaded has none.
    coordinator: HanPortCoordinator | None = getattr(entry, "runtime_data", None)
    if coordinator is None:
        return diagnostics
    outcomes = list(coordinator.recent)
    known = identities(outcomes, entry.data)
    heard, said = coordinator.heard, coordinator.said
    return diagnostics | {
        "diagnosis": heard.diagnosis,
        "settings": {
            "line": entry.data.get(CONF_LINE),
            "look": heard.look,
            "bytes": heard.byte_count,
            "lists": {str(kind): count for kind, count in heard.lists.items()},
        },
        "foreign": None
        if foreign(heard.beginning) is None
        else masked_text(heard.beginning.decode("ascii", "replace")),
        "said": said and {"kind": said.said, "text": masked_text(said.text)},
        "unknown_codes": sorted(
            {
                code
                for outcome in outcomes
                if _is_intact(outcome.result)
                for code in unknown_codes(outcome.plain or outcome.frame)
            }
        ),
        "connected": coordinator.connected,
        "cadence": coordinator.cadence,
        "counters": dict(coordinator.counters),
        "values": dict(coordinator.data),
        "recent": [
            {
                "offset": outcome.offset,
                "frame": masked_frame(outcome, known),
                **_opened(outcome, known),
                **_result(outcome.result),
            }
            for outcome in outcomes
        ],
    }


def _is_intact(result: MeterReading | ProtocolError) -> bool:
    """Say whether a message came whole and not enciphered, or was opened."""
    return isinstance(result, MeterReading) or result.code is ErrorCode.UNSUPPORTED


def _opened(outcome: Outcome, known: Forms) -> dict[str, str]:
    """Give what was in a frame that a key opened, nothing for any other."""
    if outcome.plain is None:
        return {}
    plain = outcome.plain
    if (end := ENDS_BARE.search(plain)) is not None:
        # Its cipher proved it; by itself it takes a checksum.
        plain = sealed(end[0] + b"!0000\r\n")
    return {"plain": masked_frame(outcome._replace(frame=plain), known)}


def _result(result: MeterReading | ProtocolError) -> dict[str, Any]:
    """Describe what was read, or why nothing was."""
    if isinstance(result, ProtocolError):
        return {"error": result.code, "detail": result.detail}
    return {"reading": _described(result)}


def _described(reading: MeterReading) -> dict[str, Any]:
    """Describe a reading; what is named as identity is masked."""
    meter = reading.meter
    described = {
        "manufacturer": meter.manufacturer,
        "type": meter.type,
        **{
            key: mask(identity)
            for key in ("id", "id_alt", "logical_device_name")
            if (identity := getattr(meter, key)) is not None
        },
        "list_version": meter.list_version,
        "flag_id": meter.flag_id,
        "kind": meter.kind,
        "list_kind": reading.list_kind,
        "meter_time": reading.meter_time and reading.meter_time.isoformat(),
        "values": dict(reading.values),
        "unmeasured": sorted(reading.unmeasured),
        "submeters": [_described(each) for each in reading.submeters],
    }
    return {key: value for key, value in described.items() if value not in (None, [])}
