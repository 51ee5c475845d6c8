"""Whose reading is it?"""

import pytest

from custom_components.han_port.protocol import Meter

DEVICE = "ISK1020784605887"


@pytest.mark.parametrize(
    ("meter", "name", "same"),
    [
        (Meter(id="1", id_alt="2"), "1", True),
        (Meter(id="1", id_alt="2"), "2", True),
        (Meter(id="1"), "2", False),
        (Meter(), "1", False),
        # A one-phase AM550 has its device name in one list, its serial number in another.
        (Meter(id="84605887"), DEVICE, True),
        (Meter(id=DEVICE, id_alt="ISK84605887"), "84605887", True),
        (Meter(id=DEVICE), DEVICE, True),
        (Meter(id="84605888"), DEVICE, False),
        (Meter(id=DEVICE), "5887", False),
        # What begins with no maker is no device name, and ends alike by chance only.
        (Meter(id="84605887"), "7359992884605887", False),
    ],
)
def test_is_named(meter: Meter, name: str, same: bool) -> None:
    """A meter goes by its id, its second one, or the serial number in its device name."""
    assert meter.is_named(name) is same
