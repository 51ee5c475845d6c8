"""Values in, values out: what each meter says is what the integration's decoder reads."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.han_port.protocol import (
    Decoder,
    ErrorCode,
    MeterReading,
    Outcome,
    ProtocolError,
    Quantity,
    model_name,
)
from simulator import MODELS, SimulatedMeter, create
from simulator.encode import OSLO, VARH, WH, Line, P1Layout

# Export, and an hour list soon.
START = datetime(2024, 7, 14, 10, 59, 45, tzinfo=UTC)
END = START + timedelta(seconds=31)
AUTUMN = datetime(2026, 10, 25, 0, 59, 45, tzinfo=UTC)  # the clock goes back at 1:00
SPRING = datetime(2026, 3, 29, 0, 59, 45, tzinfo=UTC)  # the clock goes forward at 1:00
MICROSECOND = timedelta(microseconds=1)
# Counts that a Dutch meter sends, the same all the time.
CONSTANT_QUANTITIES = {
    "power_failures",
    "long_power_failures",
    *(f"voltage_{what}_l{phase}" for what in ("sags", "swells") for phase in (1, 2, 3)),
}


def steps(meter: SimulatedMeter, kind: int) -> dict[Quantity, float]:
    """Return what is sent in a list, each with the size of the last digit."""
    layout = meter.model.layout
    if isinstance(layout, P1Layout):
        lines = [line for line in layout.lines if isinstance(line, Line)]
        sizes = {
            line.key: 10**-line.decimals * (1000 if "_power" in line.key else 1)
            for line in lines
        }
    else:
        sizes = {
            row.key: 10.0**row.scaler / (1000 if row.unit in (WH, VARH) else 1)
            for row in layout.lists[kind]
        }
    return {Quantity(key): size for key, size in sizes.items() if key in Quantity}


def decoder(meter: SimulatedMeter) -> Decoder:
    """Return a decoder that has the keys of the meter, if it has any."""
    if not meter.model.cipher:
        return Decoder()
    return Decoder(
        encryption_key=meter.encryption_key,
        authentication_key=meter.authentication_key,
    )


def check(meter: SimulatedMeter, when: datetime, sent: bytes, outcome: Outcome) -> None:
    """Compare a reading with what is true, to the last digit sent."""
    reading = outcome.result
    assert isinstance(reading, MeterReading)
    kinds = {kind for _, _, kind in meter.model.cadence}
    (kind,) = [each for each in kinds if meter.message(when, each) == sent]
    truth = meter.values(meter.moment(when, kind))
    sizes = {key: size for key, size in steps(meter, kind).items() if key in truth}
    assert set(sizes) <= set(reading.values)
    for quantity, size in sizes.items():
        value, true = reading.values[quantity], truth[quantity]
        assert isinstance(true, (int, float))
        if "energy" in quantity:
            assert -1e-6 < true - value < size - 1e-6, quantity
        else:
            assert abs(true - value) <= size / 2 + 1e-6, quantity


@pytest.mark.parametrize("name", MODELS)
def test_round_trip(name: str) -> None:
    """Every list is read with every value, to the last digit it sends."""
    meter = create(name, seed=1)
    reader = decoder(meter)
    readings = 0
    for when, frames in meter.messages(START, END):
        (outcome,) = reader.feed(frames)
        check(meter, when, frames, outcome)
        readings += 1
    assert readings >= 2
    assert reader.flush() == []


@pytest.mark.parametrize("name", MODELS)
def test_identity(name: str) -> None:
    """The meter is recognised, by its id where it sends one."""
    meter = create(name, seed=1)
    sent = list(meter.messages(START, END))
    readings = [
        outcome.result for _, each in sent for outcome in decoder(meter).decode(each)
    ]
    meters = [each.meter for each in readings if isinstance(each, MeterReading)]
    named = [each for each in meters if each.id is not None]
    silent = {"aidon-se", "p1-se"}
    assert (not named) == (name in silent)
    assert all(each.is_named(meter.id) for each in named)
    # One names itself in another way in the list with its counters.
    others = {each.id for each in named} - {meter.id}
    assert others == ({meter.id[-8:]} if name == "iskra-si-1p" else set())


ENCRYPTED = [name for name, model in MODELS.items() if model.cipher]


def errors(meter: SimulatedMeter, reader: Decoder) -> list[ProtocolError]:
    """Return what `reader` says to the first lists, none of which it can read."""
    found = []
    sent = list(meter.messages(START, END))
    for _, frames in sent:
        (outcome,) = reader.feed(frames)
        assert isinstance(outcome.result, ProtocolError)
        found.append(outcome.result)
    assert len(found) == len(sent) >= 2
    return found


def test_encrypted_meters() -> None:
    """These are the meters that need a key, and no other."""
    assert ENCRYPTED == [
        "kamstrup-dk",
        "kamstrup-dk-1p",
        "kamstrup-dk-nve",
        "kaifa-at",
        "kaifa-at-tinetz",
        "sagemcom-at",
        "sagemcom-at-old",
        "lg-ch-key",
        "lg-at",
    ]


@pytest.mark.parametrize("name", ENCRYPTED)
def test_no_key(name: str) -> None:
    """Without a key each list is said to need one, and who sends it."""
    meter = create(name, seed=1)
    assert meter.model.cipher
    for error in errors(meter, Decoder()):
        assert error.code is ErrorCode.NO_KEY
        assert error.system_title.startswith(meter.model.cipher.title)
        assert len(error.system_title) == 8


@pytest.mark.parametrize("name", ENCRYPTED)
def test_wrong_key(name: str) -> None:
    """With the key of another meter each list is said to need another key."""
    meter, other = create(name, seed=1), create(name, seed=2)
    assert meter.encryption_key != other.encryption_key
    assert {error.code for error in errors(meter, decoder(other))} == {
        ErrorCode.WRONG_KEY
    }


@pytest.mark.parametrize("name", ENCRYPTED)
def test_encryption_key_alone(name: str) -> None:
    """The encryption key is enough to read, where one has only that."""
    meter = create(name, seed=1)
    reader = Decoder(encryption_key=meter.encryption_key)
    for when, frames in meter.messages(START, END):
        (outcome,) = reader.feed(frames)
        check(meter, when, frames, outcome)


@pytest.mark.parametrize(
    "name",
    [name for name in ENCRYPTED if MODELS[name].cipher.control & 0x10],  # type: ignore[union-attr]
)
def test_wrong_authentication_key(name: str) -> None:
    """A list whose tag is wrong is not believed, though it could be read."""
    meter, other = create(name, seed=1), create(name, seed=2)
    reader = Decoder(
        encryption_key=meter.encryption_key,
        authentication_key=other.authentication_key,
    )
    assert {error.code for error in errors(meter, reader)} == {ErrorCode.WRONG_KEY}


def readings(
    meter: SimulatedMeter, start: datetime, end: datetime
) -> list[tuple[datetime, MeterReading]]:
    """Return all that the meter says, and when."""
    reader = decoder(meter)
    said = []
    for when, frames in meter.messages(start, end):
        (outcome,) = reader.feed(frames)
        assert isinstance(outcome.result, MeterReading)
        said.append((when, outcome.result))
    return said


@pytest.mark.parametrize(
    "name",
    [
        *("aidon-1p", "aidon-3w", "aidon-3p", "lg-e350"),
        *("kaifa-1p", "kaifa-3w", "kaifa-3w-ct", "kaifa-3p", "kaifa-3p-ct"),
        *("kamstrup-1p", "kamstrup-3w", "kamstrup-3p", "kamstrup-se"),
    ],
)
def test_list_kinds(name: str) -> None:
    """Each list is recognised as the first, second or third."""
    meter = create(name, seed=1)
    for when, reading in readings(meter, START, END):
        kind = reading.list_kind
        assert kind in {1, 2, 3}
        (frame,) = (sent for _, sent in meter.messages(when, when + MICROSECOND))
        assert frame == meter.message(when, kind or 0)
        assert (Quantity.ENERGY_IMPORT in reading.values) == (kind == 3)
        assert (Quantity.VOLTAGE_L1 in reading.values) == (kind != 1)


@pytest.mark.parametrize("name", MODELS)
def test_no_other_values(name: str) -> None:
    """Nothing is read that the meter did not send, such as a phase it does not have."""
    meter = create(name, seed=1)
    for when, reading in readings(meter, START, END):
        known = meter.values(meter.moment(when, 2)).keys() | CONSTANT_QUANTITIES
        assert {str(quantity) for quantity in reading.values} <= known
        assert reading.unmeasured == reading.values.keys() & meter.model.zero
        assert all(reading.values[quantity] == 0 for quantity in reading.unmeasured)


@pytest.mark.parametrize(
    ("name", "maker", "model"),
    [
        ("aidon-1p", "Aidon", "6515"),
        ("aidon-3w", "Aidon", "6525"),
        ("aidon-3p", "Aidon", "6534"),
        ("kaifa-1p", "Kaifa", "MA105H2E"),
        ("kaifa-3w", "Kaifa", "MA304H3E"),
        ("kaifa-3p", "Kaifa", "MA304H4"),
        ("kamstrup-1p", "Kamstrup", "Omnipower"),
        ("kamstrup-3w", "Kamstrup", "Omnipower"),
        ("kamstrup-3p", "Kamstrup", "Omnipower"),
        ("lg-e350", "Landis+Gyr", "E350"),
    ],
)
def test_model(name: str, maker: str, model: str) -> None:
    """Maker and type are those of the meter, and its model is what is printed on it."""
    meter = create(name, seed=1)
    reading = next(
        each for _, each in readings(meter, START, END) if each.meter.type is not None
    )
    assert reading.meter.manufacturer == maker
    assert reading.meter.type == meter.model.constants["meter_type"]
    assert reading.meter.list_version == meter.model.constants["list_version"]
    assert model_name(reading.meter) == model


@pytest.mark.parametrize("start", [START, AUTUMN, SPRING], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_clock(name: str, start: datetime) -> None:
    """The time read is that of the meter's clock; with an offset it is the very instant."""
    meter = create(name, seed=1)
    layout = meter.model.layout
    zone = layout.zone if isinstance(layout, P1Layout) else layout.clock.zone
    clocks = 0
    for when, reading in readings(meter, start, start + timedelta(seconds=31)):
        if (said := reading.meter_time) is None:
            continue
        clocks += 1
        (kind,) = (
            each
            for each in {kind for _, _, kind in meter.model.cadence}
            if meter.message(when, each)
            == next(sent for _, sent in meter.messages(when))
        )
        truth = meter.moment(when, kind).clock
        if said.tzinfo:
            assert said.replace(microsecond=0) == truth.replace(microsecond=0)
        local = truth.astimezone(zone).replace(tzinfo=None, microsecond=0)
        assert said.replace(tzinfo=None, microsecond=0) == local
    assert clocks > 0


def test_submeter() -> None:
    """The gas meter behind a Dutch meter is read with its id, its time and its volume."""
    meter = create("dsmr5", seed=1)
    for when, reading in readings(meter, START, START + timedelta(seconds=3)):
        truth = meter.values(meter.moment(when, 2))
        (gas,) = reading.submeters
        assert gas.meter.kind == "gas"
        assert gas.meter.channel == 1
        assert gas.meter.id == truth["gas_id"]
        assert gas.values == {Quantity.VOLUME: truth["gas_volume"]}
        assert gas.meter_time
        assert isinstance(truth["gas_time"], datetime)
        assert gas.meter_time.replace(tzinfo=None) == truth["gas_time"].astimezone(
            OSLO
        ).replace(tzinfo=None)
        assert reading.values[Quantity.TARIFF] == truth["tariff"]
