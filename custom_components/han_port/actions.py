"""What can a person put right that the meter did not tell?"""

import asyncio
from functools import partial
from typing import Any

import probatio as vol

from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import (
    config_validation as cv,
    entity_registry as er,
    service,
)
from homeassistant.util import dt as dt_util

from .accounting import Settlement, Window
from .const import CONF_LINE, DOMAIN
from .coordinator import HanPortConfigEntry, HanPortCoordinator
from .masking import masked_recording, without_host
from .protocol import Quantity
from .topic import is_topic

CONF_ENTRY = "config_entry_id"
CONF_START = "start"
CONF_POWER = "power"
CONF_APPLY = "apply"
CONF_SECONDS = "seconds"
CONF_MASKED = "masked"

LONGEST_RECORD = 600
# Bytes: all that 9600 baud carry in that time. Some adapters give each by itself, which
# takes much more room.
LARGEST_RECORD = 600_000
MOST_CHUNKS = 100_000

_ENTRY: dict[vol.Marker, Any] = {vol.Optional(CONF_ENTRY): cv.string}
_WINDOW: dict[vol.Marker, Any] = {**_ENTRY, vol.Required(CONF_START): cv.datetime}


@callback
def async_setup_actions(hass: HomeAssistant) -> None:
    """Register the actions."""
    hass.services.async_register(
        DOMAIN,
        "correct_peak",
        _async_correct_peak,
        vol.Schema(
            {
                **_WINDOW,
                vol.Required(CONF_POWER): vol.All(
                    vol.Coerce(float), vol.Range(min=0, max=1000)
                ),
            }
        ),
        supports_response=SupportsResponse.OPTIONAL,
    )
    hass.services.async_register(
        DOMAIN,
        "remove_peak",
        _async_remove_peak,
        vol.Schema(_WINDOW),
        supports_response=SupportsResponse.OPTIONAL,
    )
    hass.services.async_register(
        DOMAIN,
        "spread_gap",
        _async_spread_gap,
        vol.Schema({**_ENTRY, vol.Optional(CONF_APPLY, default=False): cv.boolean}),
        supports_response=SupportsResponse.OPTIONAL,
    )
    hass.services.async_register(
        DOMAIN,
        "record",
        _async_record,
        vol.Schema(
            {
                **_ENTRY,
                vol.Optional(CONF_SECONDS, default=60): vol.All(
                    vol.Coerce(int), vol.Range(min=1, max=LONGEST_RECORD)
                ),
                vol.Optional(CONF_MASKED, default=True): cv.boolean,
            }
        ),
        supports_response=SupportsResponse.ONLY,
    )


def _coordinator(call: ServiceCall) -> HanPortCoordinator:
    """Find the meter: the one that is named, or the only one."""
    entry: HanPortConfigEntry = service.async_get_config_entry(
        call.hass, DOMAIN, call.data.get(CONF_ENTRY)
    )
    return entry.runtime_data


async def _async_correct_peak(call: ServiceCall) -> ServiceResponse:
    """Set the mean power of an hour for good."""
    return await _async_change_peak(call, call.data[CONF_POWER])


async def _async_remove_peak(call: ServiceCall) -> ServiceResponse:
    """Let an hour never be a peak."""
    return await _async_change_peak(call, None)


async def _async_change_peak(call: ServiceCall, power: float | None) -> ServiceResponse:
    """Change an hour, store that, and answer with the peaks of its month."""
    coordinator = _coordinator(call)
    peaks = coordinator.account.peaks
    start = call.data[CONF_START]
    if start.tzinfo is None:
        start = start.replace(tzinfo=dt_util.get_default_time_zone())
    try:
        if power is None:
            peaks.remove(start)
        else:
            peaks.correct(start, power)
    except ValueError as err:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="month_not_kept",
            translation_placeholders={"start": start.isoformat()},
        ) from err
    await coordinator.async_save()
    coordinator.async_update_listeners()
    month = f"{dt_util.as_local(start):%Y-%m}"
    return {
        "month": month,
        "average": peaks.average(month),
        "peaks": [
            {
                "start": each.start.isoformat(),
                "power": each.power,
                "counted": each.counted,
                "corrected": each.corrected,
            }
            for each in peaks.top(month)
        ],
    }


async def _async_record(call: ServiceCall) -> ServiceResponse:
    """Answer with what the port receives from now on, whether a meter is heard or not.

    Each chunk is hexadecimal, with its time in seconds from the start. `complete` is false
    if there was more than is kept. Identities are masked unless a person wants them, keys
    are never in it.
    """
    coordinator = _coordinator(call)
    entry, masked = coordinator.config_entry, call.data[CONF_MASKED]
    started = call.hass.loop.time()
    chunks: list[bytes] = []
    times: list[float] = []
    size, complete = 0, True

    def take(data: bytes) -> None:
        nonlocal size, complete
        kept = data[: LARGEST_RECORD - size] if len(chunks) < MOST_CHUNKS else b""
        size += len(kept)
        complete = complete and len(kept) == len(data)
        if kept:
            chunks.append(kept)
            times.append(round(call.hass.loop.time() - started, 3))

    coordinator.chunk_listeners.add(take)
    try:
        await asyncio.sleep(call.data[CONF_SECONDS])
    finally:
        coordinator.chunk_listeners.discard(take)
    if masked:
        chunks = await call.hass.async_add_executor_job(
            partial(
                masked_recording, chunks, entry.data, whole=is_topic(coordinator.device)
            )
        )
    return {
        "device": without_host(coordinator.device) if masked else coordinator.device,
        "line": entry.data.get(CONF_LINE),
        "masked": masked,
        "complete": complete,
        "chunks": [
            {"time": time, "data": chunk.hex()}
            for time, chunk in zip(times, chunks, strict=True)
        ],
    }


async def _async_spread_gap(call: ServiceCall) -> ServiceResponse:
    """Share out evenly what a gap used, and say how; book it so if that is wanted."""
    coordinator = _coordinator(call)
    hass, gaps = call.hass, coordinator.account.gaps
    if not gaps:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="no_gap"
        )
    answer: list[Any] = []
    for quantity, settlement in list(gaps.items()):
        shares = _shares(settlement)
        statistic_id = _entity_id(hass, coordinator, quantity)
        if call.data[CONF_APPLY]:
            await _async_book(hass, statistic_id, settlement, shares)
            del gaps[quantity]
            await coordinator.async_save()
        answer.append(
            {
                "entity_id": statistic_id,
                "hours": [
                    {
                        "start": dt_util.as_local(each.start).isoformat(),
                        "energy": round(each.energy, 3),
                    }
                    for each in shares
                ],
            }
        )
    return {"applied": call.data[CONF_APPLY], "gaps": answer}


def _shares(settlement: Settlement) -> list[Window]:
    assert settlement.gap is not None
    return settlement.gap.spread(dt_util.get_default_time_zone())


def _entity_id(
    hass: HomeAssistant, coordinator: HanPortCoordinator, quantity: Quantity
) -> str | None:
    """Name the live counter of energy import or export."""
    unique_id = f"{coordinator.identifier}_{quantity}"
    return er.async_get(hass).async_get_entity_id("sensor", DOMAIN, unique_id)


async def _async_book(
    hass: HomeAssistant,
    statistic_id: str | None,
    settlement: Settlement,
    shares: list[Window],
) -> None:
    """Change the statistics, or say that they are not as they must be."""
    if statistic_id is not None and "recorder" in hass.config.components:
        # Where there is no recorder its libraries may be missing too.
        from .statistics import NotRecordedError, async_spread  # noqa: PLC0415

        try:
            await async_spread(hass, statistic_id, settlement, shares)
        except NotRecordedError:
            pass
        else:
            return
    raise ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key="not_recorded",
        translation_placeholders={"entity": statistic_id or "–"},
    )
