"""Is what matters shown at once, and does the rest wait?"""

from collections import Counter
from datetime import UTC, datetime, timedelta

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_recorder_block_till_done,
)

from custom_components.han_port.protocol import Decoder
from custom_components.han_port.publishing import Publish, Publisher
from homeassistant.components.recorder.db_schema import States, StatesMeta
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import get_instance, session_scope
import simulator
from tests.integration.conftest import make_entry, set_up


@pytest.mark.parametrize(
    ("key", "shown", "value", "seconds", "waits"),
    [
        ("active_power_import", 5010, 5059, 2.5, True),
        ("active_power_import", 5010, 5060, 2.5, False),
        ("active_power_import", 1010, 1030, 2.5, True),
        ("active_power_import", 1010, 1031, 2.5, False),
        ("active_power_import", 5099, 5100, 2.5, False),
        ("net_power", -1, 0, 2.5, False),
        ("active_power_import", 5010, 5011, 10, False),
        ("voltage_l1", 230, 231.9, 59, True),
        ("voltage_l1", 230, 228, 2.5, False),
        ("voltage_l1", 230, 230.1, 60, False),
        ("current_l1", 8, 8.9, 29, True),
        ("current_l1", 8, 9, 2.5, False),
        ("energy_import", 8, 8.01, 2.5, False),
        ("tariff", 1, 2, 2.5, False),
    ],
)
def test_rules(
    key: str, shown: float, value: float, seconds: float, *, waits: bool
) -> None:
    """A noticeable change and one past a round number never wait, others some seconds."""
    publisher = Publisher(Publish.BALANCED)
    publisher.advance(0, {key: shown})
    assert not publisher.waiting
    publisher.advance(seconds, {key: value})
    assert publisher.waiting == ({key} if waits else set())


def test_first_and_last() -> None:
    """What comes, what is not sent any more, and all after a loss is shown at once."""
    publisher = Publisher(Publish.BALANCED)
    for now, values in ((0, {"voltage_l1": 230}), (1, {}), (2, {"voltage_l1": 230})):
        publisher.advance(now, values)
        assert not publisher.waiting
    publisher.show_all()
    publisher.advance(3, {"voltage_l1": 230})
    assert not publisher.waiting


def test_choices() -> None:
    """With every reading nothing waits; slow waits for changes five times as large."""
    for publish, change, waits in (
        (Publish.EVERY_READING, 1, False),
        (Publish.SLOW, 249, True),
        (Publish.SLOW, 250, False),
    ):
        publisher = Publisher(publish)
        publisher.advance(0, {"net_power": 5000})
        publisher.advance(20, {"net_power": 5000 + change})
        assert bool(publisher.waiting) is waits


@pytest.mark.usefixtures("recorder_mock", "true_time", "port")
@pytest.mark.parametrize(
    ("publish", "least", "most"),
    [
        (None, 1000, 1500),
        (Publish.SLOW, 400, 1000),
        (Publish.EVERY_READING, 2000, 4000),
    ],
)
async def test_rows(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    publish: Publish | None,
    least: int,
    most: int,
) -> None:
    """With the entities of an Aidon as they are enabled, an hour is at most 1,500 rows."""
    start = datetime(2026, 1, 15, 17, tzinfo=UTC)
    meter = simulator.create("aidon-3p", seed=1)
    freezer.move_to(start - timedelta(minutes=1))
    options = {} if publish is None else {"publish": publish}
    entry = await set_up(hass, make_entry(None, meter_id=meter.id, options=options))
    decoder = Decoder()
    for when, frame in meter.messages(
        start - timedelta(minutes=1), start + timedelta(hours=1)
    ):
        freezer.move_to(when)
        entry.runtime_data._take(decoder.feed(frame))
    await async_recorder_block_till_done(hass)
    rows = await get_instance(hass).async_add_executor_job(_rows, hass, start)
    total = sum(rows.values())
    print(f"{publish or 'default'}: {total} rows an hour", rows)  # noqa: T201
    assert least <= total <= most


def _rows(hass: HomeAssistant, start: datetime) -> Counter[str]:
    """Count the states that the recorder has stored since, by entity."""
    with session_scope(hass=hass) as session:
        found = (
            session.query(StatesMeta.entity_id)
            .join(States, States.metadata_id == StatesMeta.metadata_id)
            .filter(States.last_updated_ts >= start.timestamp())
        )
        return Counter(str(name) for (name,) in found)
