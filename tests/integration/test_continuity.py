"""Does a counter go on without a step when it is counted otherwise?"""

from datetime import timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.han_port.continuity import Continuity
from custom_components.han_port.protocol import Quantity
from homeassistant.core import HomeAssistant
from tests.integration.conftest import (
    NOON,
    Port,
    Sender,
    make_entry,
    say,
    set_up,
    state,
)

T1, T2 = Quantity.ENERGY_IMPORT_T1, Quantity.ENERGY_IMPORT_T2
METER = Sender("dsmr5")


def test_goes_on() -> None:
    """The next value is the one before, and later ones are as much higher as they are."""
    counters = Continuity()
    assert counters.shown(T1, 10.5, 10.4) == 10.5
    counters.start_over([T1, T2])
    assert counters.starts_over(T1)
    assert counters.shown(T1, 2100.1, 105.005) == 105.005
    assert not counters.starts_over(T1)
    assert counters.shown(T1, 2101.35, 105.005) == 106.255
    # Nothing was shown before
    assert counters.shown(T2, 7, None) == 7
    assert counters.shown(T2, 8, 7) == 8


def test_stored() -> None:
    """What is added outlives a restart, also when the next value is not there yet."""
    counters = Continuity()
    counters.start_over([T1, T2])
    counters.shown(T1, 5, 105)
    again = Continuity()
    again.restore(counters.as_dict())
    assert again.as_dict() == {T1: 100, T2: None}
    assert again.shown(T1, 6, 105) == 106
    assert again.shown(T2, 6, 50) == 50


@pytest.mark.parametrize(
    "stored",
    [
        None,
        [1],
        {"energy_import_t1": float("nan")},
        {"energy_import_t1": "1"},
        {"no": 1},
        {7: 1},
    ],
)
def test_damaged(stored: Any) -> None:
    """What is stored and damaged is left out."""
    counters = Continuity()
    counters.restore(stored)
    assert counters.as_dict() == {}


@pytest.mark.usefixtures("all_enabled", "true_time")
@pytest.mark.parametrize(("before", "after"), [(1, 20), (20, 1), (1, 0.5)])
async def test_multiplier(
    hass: HomeAssistant,
    port: Port,
    freezer: FrozenDateTimeFactory,
    before: float,
    after: float,
) -> None:
    """With another multiplier no counter that is recorded makes a step, tariffs neither."""
    freezer.move_to(NOON)
    options = {"multiply_energy": before}
    entry = await set_up(hass, make_entry(METER, options=options))

    async def hear(seconds: int, energy: float) -> dict[str, float]:
        freezer.move_to(NOON + timedelta(seconds=seconds))
        values = {T1: 1000 + energy, T2: 500, "power_failures": 3}
        await say(hass, port, METER.list(1, **values))
        keys = (T1, T2, Quantity.ENERGY_IMPORT, "power_failures")
        return {key: float(state(hass, key, METER.id) or 0) for key in keys}

    first = await hear(1, 0)
    assert first[T1] == 1000 * before
    options["multiply_energy"] = after
    hass.config_entries.async_update_entry(entry, options=options)
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert await hear(30, 0.001) == first
    later = await hear(60, 0.003)
    assert later == {
        **first,
        T1: pytest.approx(first[T1] + 0.002 * after),
        Quantity.ENERGY_IMPORT: pytest.approx(
            first[Quantity.ENERGY_IMPORT] + 0.002 * after, abs=0.01
        ),
    }
    # After a restart it is so still.
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert (await hear(90, 0.004))[T1] == pytest.approx(first[T1] + 0.003 * after)
