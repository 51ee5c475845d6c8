"""Is what was stored read back, and nothing else?"""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from custom_components.han_port.accounting.stored import (
    DAMAGE,
    flag,
    instant,
    number,
    optional,
    whole,
)

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("read", "stored", "value"),
    [
        (number, 1, 1.0),
        (number, 0.25, 0.25),
        (whole, 7, 7),
        (flag, True, True),
        (instant, "2026-01-15T12:00:00+00:00", NOON),
        (instant, "2026-01-15T13:00:00+01:00", NOON),
    ],
)
def test_read(read: Callable[[object], object], stored: object, value: object) -> None:
    """What was written comes back, of the right type."""
    assert read(stored) == value
    assert type(read(stored)) is type(value)


@pytest.mark.parametrize(
    ("read", "stored"),
    [
        (number, None),
        (number, "1"),
        (number, True),
        (number, []),
        (number, float("nan")),
        (number, float("inf")),
        (number, 10**400),
        (whole, None),
        (whole, 1.0),
        (whole, True),
        (whole, "1"),
        (flag, None),
        (flag, 1),
        (flag, "true"),
        (instant, None),
        (instant, 0),
        (instant, ""),
        (instant, "noon"),
        (instant, "2026-01-15T12:00:00"),
    ],
)
def test_damage(read: Callable[[object], object], stored: object) -> None:
    """Anything else is damage, of a kind that callers expect."""
    with pytest.raises(DAMAGE):
        read(stored)


def test_optional() -> None:
    """None is None, and all else is read."""
    assert optional(number, None) is None
    assert optional(number, 2) == 2.0
    with pytest.raises(DAMAGE):
        optional(number, "2")
