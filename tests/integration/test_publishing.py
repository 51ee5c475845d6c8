"""Is what matters shown at once, and does the rest wait?"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from random import Random

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_recorder_block_till_done,
)

from custom_components.han_port.accounting import Account
from custom_components.han_port.protocol import Decoder, MeterReading, Quantity
from custom_components.han_port.publishing import Publish, Publisher
from homeassistant.components.recorder.db_schema import States, StatesMeta
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import get_instance, session_scope
from homeassistant.setup import async_setup_component
import simulator
from tests.integration.conftest import make_entry, set_up, state

type Messages = Iterator[tuple[datetime, bytes]]

PEER = "sensor.peer_"
POWER = "sensor.aidon_6534_power_import"


def advance(publisher: Publisher, now: float, values: Mapping[str, float]) -> None:
    """Let a reading be news in all that may have to wait."""
    publisher.advance(now, values, publisher.keys)


@pytest.mark.parametrize(
    ("key", "shown", "value", "seconds", "waits"),
    [
        ("active_power_import", 5010, 5059, 2.5, True),
        ("active_power_import", 5010, 5060, 2.5, False),
        ("active_power_import", 1010, 1030, 2.5, True),
        ("active_power_import", 1010, 1031, 2.5, False),
        ("active_power_import", 310, 329, 2.5, True),
        ("active_power_import", 310, 330, 2.5, False),
        ("active_power_import", 0, 19, 2.5, True),
        ("active_power_import", 5099, 5100, 2.5, False),
        ("net_power", -1, 0, 2.5, False),
        ("active_power_import", 5010, 5011, 10, False),
        ("voltage_l1", 230, 231.9, 59, True),
        ("voltage_l1", 230, 228, 2.5, False),
        ("voltage_l1", 230, 230.1, 60, False),
        ("current_l1", 8, 8.9, 59, True),
        ("current_l1", 0, 0.1, 59, True),
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
    advance(publisher, 0, {key: shown})
    assert not publisher.waiting
    advance(publisher, seconds, {key: value})
    assert publisher.waiting == ({key} if waits else set())


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        # Past a limit, and what jitters about it afterwards
        ((995, 1005, 995, 1005, 995), (995, 1005, None, None, None)),
        # Between two levels
        ((310, 340, 310, 340), (310, 340, None, None)),
        # A third one, and a large change back
        ((310, 340, 370, 310), (310, 340, 370, 310)),
    ],
)
def test_jitter(values: tuple[float, ...], shown: tuple[float | None, ...]) -> None:
    """Each level is shown at once; a small change back to it waits ten seconds."""
    publisher = Publisher(Publish.BALANCED)
    for at, value, expected in zip(range(len(values)), values, shown, strict=True):
        advance(publisher, 2 * at, {"net_power": value})
        assert bool(publisher.waiting) is (expected is None)


def test_jitter_is_over() -> None:
    """A limit that was not passed for a minute is news again."""
    publisher = Publisher(Publish.BALANCED)
    for now, value, waits in (
        (0, 995, False),
        (2, 1005, False),
        (4, 995, True),
        (12, 1005, False),
        (61, 1005, False),
        (63, 995, False),
        (65, 1005, True),
        (73, 1005, False),
    ):
        advance(publisher, now, {"net_power": value})
        assert bool(publisher.waiting) is waits, now


@pytest.mark.parametrize("publish", [Publish.BALANCED, Publish.SLOW])
@pytest.mark.parametrize(
    ("limits", "values", "waits"),
    [
        # Each passing of a limit, in both directions, however small and often
        ((5033,), (5032, 5034, 5032, 5034), ()),
        # A limit that is met is neither above nor below
        ((5033,), (5032, 5033, 5032, 5033, 5034, 5033), ()),
        ((-1, 5033, 9000), (5033, 5034, 5035, 5034), (2, 3)),
        # One of several, and two at once
        ((5033, 5035), (5032, 5034, 5036, 5032), ()),
        # Between them, and without any
        ((5033, 5040), (5034, 5036, 5034, 5036), (1, 2, 3)),
        ((), (5032, 5034, 5032, 5034), (1, 2, 3)),
    ],
)
def test_limits(
    publish: Publish,
    limits: tuple[float, ...],
    values: tuple[float, ...],
    waits: tuple[int, ...],
) -> None:
    """What passes or meets a limit of a person never waits."""
    publisher = Publisher(publish)
    publisher.limits = {"net_power": limits}
    for at, value in enumerate(values):
        advance(publisher, at, {"net_power": value})
        assert bool(publisher.waiting) is (at in waits), at


def test_first_and_last() -> None:
    """What comes, what is not sent any more, and all after a loss is shown at once."""
    publisher = Publisher(Publish.BALANCED)
    for now, values in ((0, {"voltage_l1": 230}), (1, {}), (2, {"voltage_l1": 230})):
        advance(publisher, now, values)
        assert not publisher.waiting
    publisher.show_all()
    advance(publisher, 3, {"voltage_l1": 230})
    assert not publisher.waiting


def test_choices() -> None:
    """With every reading nothing waits; slow waits for changes five times as large."""
    for publish, change, waits in (
        (Publish.EVERY_READING, 1, False),
        (Publish.SLOW, 249, True),
        (Publish.SLOW, 250, False),
    ):
        publisher = Publisher(publish)
        advance(publisher, 0, {"net_power": 5000})
        advance(publisher, 20, {"net_power": 5000 + change})
        assert bool(publisher.waiting) is waits


START = datetime(2026, 1, 15, 17, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
# What the hour needs at once, whatever is chosen
CONTROLS = ("available_power", "forecast_this_hour", "energy_this_hour", "headroom")


def jittering(meter: simulator.SimulatedMeter, watts: int) -> Messages:
    """Give the messages of a meter in a house whose power jitters about a value.

    By 10 W from list to list, now and then by more, and the current by 0.1 A.
    """
    chance = Random(watts)
    schedule = meter._schedule(START - MINUTE)
    for when, kind in takewhile(lambda due: due[0] < START + 60 * MINUTE, schedule):
        power = watts + chance.randint(-10, 10) + 25 * (chance.random() < 0.05)
        amperes = power / 690
        values = meter.values(meter.moment(when, kind)) | {
            "active_power_import": power,
            "active_power_export": 0,
            **{
                f"current_l{phase}": amperes + 0.1 * chance.randint(0, 1)
                for phase in (1, 2, 3)
            },
        }
        yield when, meter.model.layout.frames(kind, values, when)


@pytest.mark.usefixtures("recorder_mock", "true_time", "port")
@pytest.mark.parametrize(
    ("publish", "watts", "limit", "least", "most"),
    [
        (None, None, None, 1000, 1500),
        (None, 300, None, 1000, 1500),
        # An automation has its limit amid the jitter
        (None, 300, 303, 1500, 2000),
        (Publish.SLOW, None, None, 400, 1000),
        (Publish.EVERY_READING, None, None, 2000, 4000),
    ],
)
async def test_rows(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    publish: Publish | None,
    watts: int | None,
    limit: float | None,
    least: int,
    most: int,
) -> None:
    """With the entities of an Aidon as they are enabled, an hour is at most 1,500 rows.

    Also where the power jitters about a round number; about the limit of an automation it is
    more. A peer is what writes every value of
    every list to an entity of its own.
    """
    meter = simulator.create("aidon-3p", seed=1)
    freezer.move_to(START - MINUTE)
    options = {} if publish is None else {"publish": publish}
    trigger = {"trigger": "numeric_state", "entity_id": POWER, "above": limit}
    automation = {"triggers": [trigger], "actions": [], "initial_state": False}
    config = {"automation": [automation] if limit else []}
    assert await async_setup_component(hass, "automation", config)
    entry = await set_up(hass, make_entry(None, meter_id=meter.id, options=options))
    messages = (
        meter.messages(START - MINUTE, START + 60 * MINUTE)
        if watts is None
        else jittering(meter, watts)
    )
    decoder, sent = Decoder(), 0
    for when, frame in messages:
        freezer.move_to(when)
        outcomes = decoder.feed(frame)
        entry.runtime_data._take(outcomes)
        (outcome,) = outcomes
        assert isinstance(outcome.result, MeterReading)
        peers = outcome.result.values if publish is None else {}
        for quantity, value in peers.items():
            hass.states.async_set(f"sensor.peer_{quantity}", str(value))
        sent += 1
    await async_recorder_block_till_done(hass)
    rows = await get_instance(hass).async_add_executor_job(_rows, hass, START)
    peer = sum(count for name, count in rows.items() if name.startswith(PEER))
    total = rows.total() - peer
    print(  # noqa: T201
        f"{publish or 'default'}, {f'about {watts} W' if watts else 'simulated'},"
        f" limit {limit}:"
        f" {total} rows an hour"
        + (f", a peer that writes every value {peer}" if peer else ""),
        rows,
    )
    assert least <= total <= most
    assert publish is not None or total < 0.7 * peer
    assert entry.runtime_data.counters["frames"] == sent


@pytest.mark.usefixtures("true_time", "port")
@pytest.mark.parametrize("publish", Publish)
async def test_never_wait(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, publish: Publish
) -> None:
    """No list is dropped: the accounts and what controls things take each of them."""
    meter = simulator.create("aidon-3p", seed=1)
    freezer.move_to(START - MINUTE)
    options = {"publish": publish, "main_fuse": 25}
    entry = await set_up(hass, make_entry(None, meter_id=meter.id, options=options))
    coordinator = entry.runtime_data
    coordinator.limit = 5.0
    decoder, account = Decoder(), Account(UTC)
    waited = 0
    changed: Counter[str] = Counter()
    for when, frame in islice(jittering(meter, 300), 150):
        freezer.move_to(when)
        outcomes = decoder.feed(frame)
        before = {key: state(hass, key, meter.id) for key in CONTROLS}
        coordinator._take(outcomes)
        reading = outcomes[0].result
        assert isinstance(reading, MeterReading)
        account.advance(when, reading)
        assert coordinator.account.hour.energy == account.hour.energy
        power = reading.values[Quantity.ACTIVE_POWER_IMPORT]
        waited += state(hass, "active_power_import", meter.id) != str(power)
        for key, value in {
            "available_power": account.hour.available(5.0),
            "forecast_this_hour": account.hour.forecast,
            "energy_this_hour": account.hour.energy,
            "headroom": min(coordinator.fuse.headroom.values(), default=None),
        }.items():
            now = state(hass, key, meter.id)
            changed[key] += now != before[key]
            if value is None:
                assert now in (None, "unknown")
            else:
                assert now is not None
                assert float(now) == pytest.approx(value, abs=0.0051), (key, when)
        if reading.list_kind == 3:
            counter = reading.values[Quantity.ENERGY_IMPORT]
            shown = float(state(hass, "energy_import", meter.id) or 0)
            # And what the ten seconds since the hour have used
            assert 0 <= shown - counter < 0.01
    assert bool(waited) is (publish is not Publish.EVERY_READING)
    assert all(changed[key] > 1 for key in CONTROLS), changed


def _rows(hass: HomeAssistant, start: datetime) -> Counter[str]:
    """Count the states that the recorder has stored since, by entity."""
    with session_scope(hass=hass) as session:
        found = (
            session.query(StatesMeta.entity_id)
            .join(States, States.metadata_id == StatesMeta.metadata_id)
            .filter(States.last_updated_ts >= start.timestamp())
        )
        return Counter(str(name) for (name,) in found)


@pytest.mark.usefixtures("true_time", "port")
async def test_last_hour(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """The last hour is shown when it is over, and anew when its counters have come."""
    meter = simulator.create("aidon-3p", seed=1)
    freezer.move_to(START - MINUTE)
    entry = await set_up(hass, make_entry(None, meter_id=meter.id))
    decoder, shown = Decoder(), list[str | None]()
    for when, frame in meter.messages(START - MINUTE, START + 61 * MINUTE):
        freezer.move_to(when)
        entry.runtime_data._take(decoder.feed(frame))
        value = state(hass, "energy_last_hour", meter.id)
        if value not in ("unknown", *shown[-1:]):
            shown.append(value)
    used = meter.energy_import(START + 60 * MINUTE) - meter.energy_import(START)
    assert len(shown) == 2
    assert float(shown[1] or "nan") == pytest.approx(used, abs=0.011)
