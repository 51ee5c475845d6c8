"""Are new keys asked for when those of an entry open nothing any more?"""

from collections import defaultdict

import pytest

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import simulator
from tests.integration.conftest import (
    DEVICE,
    NOON,
    Port,
    Sender,
    make_entry,
    say,
    set_up,
    state,
)


class Enciphering(Sender):
    """A simulated meter that enciphers what it sends."""

    def __init__(self, name: str, seed: int = 1) -> None:
        """Take the model, and know the keys of this one meter."""
        super().__init__(name, seed)
        self.keys = {
            "encryption_key": self._meter.encryption_key.hex(),
            "authentication_key": self._meter.authentication_key.hex(),
        }
        when = next(self._meter.messages(NOON))[0]
        self.whole = next(self._meter.messages(when))[1]


async def test_key_of_entry(hass: HomeAssistant, port: Port) -> None:
    """The keys of the entry open what the meter sends."""
    meter = Enciphering("kamstrup-dk")
    await set_up(hass, make_entry(meter, **meter.keys))
    await say(hass, port, meter.whole, meter.whole)
    expected = simulator.create("kamstrup-dk", seed=1).power(NOON)
    power = state(hass, "net_power", meter.id)
    assert power is not None
    assert float(power) == pytest.approx(expected, abs=1)
    assert not hass.config_entries.flow.async_progress()


@pytest.mark.parametrize("name", ["kamstrup-dk", "kaifa-at"])
@pytest.mark.parametrize(
    "old",
    [
        {},
        {"encryption_key": "11" * 16},
        {"encryption_key": "11" * 16, "authentication_key": "33" * 16},
    ],
    ids=["no key", "another key", "two other keys"],
)
async def test_reauth(
    hass: HomeAssistant,
    ports: defaultdict[str, Port],
    name: str,
    old: dict[str, str],
) -> None:
    """Three messages that stay shut ask for the key, which is tried on the last one."""
    port = ports[DEVICE]
    meter = Enciphering(name)
    entry = await set_up(hass, make_entry(meter, **old))
    await say(hass, port, meter.whole, meter.whole)
    assert not hass.config_entries.flow.async_progress()
    await say(hass, port, meter.whole, meter.whole, meter.whole)
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == "reauth"
    assert flow["step_id"] == "key"
    shown = await hass.config_entries.flow.async_configure(flow["flow_id"])
    said = {"encryption_key": "wrong_encryption_key"} if old else {}
    assert shown["errors"] == said

    wrong = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"encryption_key": "22" * 16}
    )
    assert wrong["errors"] == {"encryption_key": "wrong_encryption_key"}
    result = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"encryption_key": meter.keys["encryption_key"]}
    )
    await hass.async_block_till_done()
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reauth_successful"
    assert entry.state is ConfigEntryState.LOADED
    assert entry.data["encryption_key"] == meter.keys["encryption_key"]
    assert "authentication_key" not in entry.data
    await say(hass, port, meter.whole, meter.whole)
    power = simulator.create(name, seed=1).power(NOON)
    assert float(state(hass, "net_power", meter.id) or 0) == pytest.approx(power, abs=1)


async def test_reauth_not_for_damage(hass: HomeAssistant, port: Port) -> None:
    """Two messages in a row that stay shut, between good ones, ask for nothing."""
    meter = Enciphering("kamstrup-dk")
    entry = await set_up(hass, make_entry(meter, **meter.keys))
    shut = Enciphering("kamstrup-dk", seed=2).whole
    for _ in range(3):
        await say(hass, port, shut, shut, meter.whole)
    assert entry.runtime_data.counters["wrong-key"] == 6
    assert not hass.config_entries.flow.async_progress()


async def test_reauth_while_unloaded(hass: HomeAssistant, port: Port) -> None:
    """Without a message to try it on, a key is stored as it is."""
    meter = Enciphering("kamstrup-dk")
    entry = make_entry(meter)
    entry.add_to_hass(hass)
    flow = await entry.start_reauth_flow(hass)
    result = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"encryption_key": "11" * 16}
    )
    await hass.async_block_till_done()
    assert result["reason"] == "reauth_successful"
    assert entry.data["encryption_key"] == "11" * 16
