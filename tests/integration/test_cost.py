"""Is the energy dashboard's cost what the energy of each quarter cost?"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
import logging
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.han_port.const import DOMAIN
from custom_components.han_port.protocol import Decoder
from homeassistant.components.energy.data import async_get_manager
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity import Entity
from homeassistant.setup import async_setup_component
import simulator
from tests.integration.conftest import entity_id, make_entry, set_up
from tests.integration.home import ENERGY, PEER

# From dusk on, when most is used
START = datetime(2026, 1, 15, 16, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
QUARTERS = [START + QUARTER * each for each in range(16)]
PRICE = "sensor.price"
# What readers make of the meter's counter that show it as it comes
COUNTER = f"{PEER}energy_import"
# NOK for each kWh, one quarter after the other: calm, a steep rise, and below zero
PRICES = (0.5, 0.52, 4.9, 1.2, 0.08, 2.4, -0.1, 0.9)


def price(quarter: datetime) -> float:
    """Give the price of a quarter."""
    return PRICES[QUARTERS.index(quarter) % len(PRICES)]


async def track_cost(hass: HomeAssistant, meter_id: str) -> None:
    """Fill in the settings of the energy dashboard: two counters, and one price."""
    manager = await async_get_manager(hass)
    await manager.async_update(
        {
            "device_consumption": [],
            "energy_sources": [
                {
                    "type": "grid",
                    "stat_energy_from": source,
                    "stat_energy_to": None,
                    "stat_cost": None,
                    "entity_energy_price": PRICE,
                    "number_energy_price": None,
                    "stat_compensation": None,
                    "entity_energy_price_export": None,
                    "number_energy_price_export": None,
                    "cost_adjustment_day": 0,
                }
                for source in (entity_id(hass, "energy_import", meter_id), COUNTER)
            ],
        }
    )
    await hass.async_block_till_done()


def cost(hass: HomeAssistant, source: str | None) -> float:
    """Give what Home Assistant's own sensor says that the energy of an entity has cost."""
    state = hass.states.get(f"{source}_cost")
    assert state is not None
    return float(state.state)


@pytest.fixture(name="quiet", autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Let nobody write down each statement of SQL."""
    caplog.set_level(logging.WARNING, "sqlalchemy.engine")


@pytest.fixture(name="counters_only")
def _counters_only() -> Iterator[None]:
    """Enable the live counters and the meter's, and no other sensor: they are many."""
    enabled = property(
        lambda self: (
            self.platform.platform_name != DOMAIN
            or "energy_import" in self.translation_key
        )
    )
    with patch.object(Entity, "entity_registry_enabled_default", enabled):
        yield


@pytest.mark.usefixtures("recorder_mock", "true_time", "counters_only", "port")
@pytest.mark.parametrize(
    ("name", "within"), [("aidon", 0.005), ("kaifa", 0.005), ("kamstrup", 0.015)]
)
async def test_cost(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, name: str, within: float
) -> None:
    """The cost of the live counter is the sum of energy times price by quarter.

    It is as near as the cadence lets it be: Kamstrup sends every 10 s only, and does not
    see when in between an oven is switched. That of the meter's counter, which is what
    other readers offer, is far from it.
    """
    assert await async_setup_component(hass, "energy", {})
    begin = START - timedelta(minutes=65)
    meter = simulator.create(name, seed=3)
    freezer.move_to(begin)
    unit = {"unit_of_measurement": "NOK/kWh"}
    hass.states.async_set(PRICE, "0", unit)
    entry = await set_up(hass, make_entry(None, meter_id=meter.id))
    decoder = Decoder()
    for quarter in [begin, *QUARTERS]:
        end = quarter + QUARTER if quarter in QUARTERS else QUARTERS[0]
        freezer.move_to(quarter)
        if quarter in QUARTERS:
            hass.states.async_set(PRICE, str(price(quarter)), unit)
            await hass.async_block_till_done()
        for when, frame in meter.messages(quarter, end):
            # Before the first quarter that counts list 1 is left out to save time.
            if len(frame) > 60 or quarter is not begin:
                freezer.move_to(when + timedelta(seconds=len(frame) * 11 / 2400))
                entry.runtime_data._take(decoder.feed(frame))
                counter = entry.runtime_data.data.get("energy_import")
                hass.states.async_set(COUNTER, str(counter or "unknown"), ENERGY)
        if quarter is begin:
            await track_cost(hass, meter.id)
    await hass.async_block_till_done()

    wanted = sum(
        price(each) * (meter.energy_import(each + QUARTER) - meter.energy_import(each))
        for each in QUARTERS
    )
    live = cost(hass, entity_id(hass, "energy_import", meter.id))
    assert live == pytest.approx(wanted, rel=within)
    late = cost(hass, COUNTER)
    assert abs(late - wanted) > 0.2 * wanted
