"""Are the values of a meter behind transformers multiplied, once and without a jump?"""

from datetime import datetime, timedelta

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.han_port.options import preview
from custom_components.han_port.protocol import Meter, MeterReading, Quantity
from custom_components.han_port.scaling import multipliers, scaled
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from tests.integration.conftest import METER, NOON, Port, make_entry, say, set_up, state

BY = {
    "multiply_voltage": 1,
    "multiply_current": 40,
    "multiply_power": 30,
    "multiply_energy": 20,
}


def hour_list(when: datetime, **values: float) -> bytes:
    """Give the list of a full hour without power."""
    meter = METER._meter
    known = meter.values(meter.moment(when, 3))
    return meter.model.layout.frames(
        3, {**known, "active_power_import": 0, "active_power_export": 0, **values}, when
    )


def test_scaled() -> None:
    """Each kind of value has its own multiplier; counts, ratios and submeters have none."""
    submeter = MeterReading(Meter(channel=1), {Quantity.ENERGY_IMPORT: 7})
    reading = MeterReading(
        Meter(),
        {
            Quantity.VOLTAGE_L1: 230.1,
            Quantity.CURRENT_L1: 1.1,
            Quantity.CURRENT_N: 0.1,
            Quantity.ACTIVE_POWER_IMPORT: 100,
            Quantity.REACTIVE_POWER_EXPORT_L3: 10,
            Quantity.DEMAND_IMPORT: 3,
            Quantity.ENERGY_IMPORT: 10.01,
            Quantity.REACTIVE_ENERGY_Q4: 1,
            Quantity.POWER_FACTOR: 0.9,
            Quantity.FREQUENCY: 50,
            Quantity.VOLTAGE_SAGS_L1: 2,
            Quantity.TARIFF: 1,
        },
        submeters=(submeter,),
    )
    result = scaled(reading, multipliers({**BY, "multiply_voltage": 2}))
    assert list(result.values.values()) == [
        *(460.2, 44, 4, 3000, 300, 90, 200.2, 20, 0.9, 50, 2, 1)
    ]
    assert result.submeters == (submeter,)
    assert scaled(reading, multipliers({})) == reading


def test_preview() -> None:
    """Values of now are with the old multipliers, those of then with the new."""
    texts = preview(
        {"current_l1": 80, "energy_import": 1234.56}, {"multiply_current": 40}, BY
    )
    assert texts == {
        "multiply_voltage": "–",
        "multiply_voltage_then": "–",
        "multiply_current": "80 A",
        "multiply_current_then": "80 A",
        "multiply_power": "–",
        "multiply_power_then": "–",
        "multiply_energy": "1234.56 kWh",
        "multiply_energy_then": "24691.2 kWh",
    }


@pytest.mark.usefixtures("true_time")
async def test_no_jump(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """A person sees the values first; then energy goes on from where it was."""
    freezer.move_to(NOON + timedelta(seconds=10))
    entry = await set_up(hass, make_entry(options={"peaks": 5}))
    await say(hass, port, METER.list(3, energy_import=1000, active_power_import=0))
    assert float(state(hass, "energy_import") or 0) == 1000
    result = await hass.config_entries.options.async_init(entry.entry_id)
    for answers in ({"next_step_id": "accuracy"}, BY):
        result = await hass.config_entries.options.async_configure(
            result["flow_id"], answers
        )
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "preview")
    texts = result["description_placeholders"] or {}
    assert texts["multiply_energy"] == "1000 kWh"
    assert texts["multiply_energy_then"] == "20000 kWh"
    assert entry.options == {"peaks": 5}
    await hass.config_entries.options.async_configure(result["flow_id"], {})
    await hass.async_block_till_done()
    assert entry.options == {"peaks": 5, **BY}
    shown = []
    for hours, counter in ((1, 1001), (2, 1002), (3, 1003.5)):
        when = NOON + timedelta(hours=hours)
        freezer.move_to(when + timedelta(seconds=10))
        await say(hass, port, hour_list(when, energy_import=counter))
        shown.append(float(state(hass, "energy_import") or 0))
    assert shown == [1000, 1020, 1050]
    await say(hass, port, METER.list(2, active_power_import=100))
    assert float(state(hass, "active_power_import") or 0) == 3000
