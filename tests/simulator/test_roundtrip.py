"""Values in, values out: what each meter says is what the integration's decoder reads."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.han_port.protocol import Decoder, MeterReading, Outcome, Quantity
from simulator import MODELS, SimulatedMeter, create
from simulator.encode import VARH, WH, Line, P1Layout

# Export, and an hour list soon.
START = datetime(2024, 7, 14, 10, 59, 45, tzinfo=UTC)
# Sent, and left alone by the decoder: angles follow from the powers, and the active
# tariff is read from telegrams only.
UNREAD = {"phase_angle_l1", "phase_angle_l2", "phase_angle_l3", "tariff"}
END = START + timedelta(seconds=31)


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
    return {
        Quantity(key): size
        for key, size in sizes.items()
        if key in Quantity and key not in UNREAD
    }


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
    meter = create(name, seed=12)
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
    meter = create(name, seed=12)
    sent = list(meter.messages(START, END))
    readings = [
        outcome.result for _, each in sent for outcome in decoder(meter).decode(each)
    ]
    ids = {each.meter.id for each in readings if isinstance(each, MeterReading)}
    silent = {"aidon-se", "p1-se"}
    assert ids - {None} == (set() if name in silent else {meter.id})
