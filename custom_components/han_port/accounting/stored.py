"""How is a stored value read back without trusting it?

What was written by an older version, edited by hand or cut short must give a fresh start,
never an exception and never a NaN in a counter.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from math import isfinite

# Whatever reading damaged data may raise
DAMAGE = (AttributeError, LookupError, OverflowError, TypeError, ValueError)


def restored[T](
    make: Callable[[], T], read: Callable[[T, object], None], stored: object
) -> T:
    """Give a new one that has read what was stored, or a new one if that is damaged."""
    fresh = make()
    try:
        read(fresh, stored)
    except DAMAGE:
        return make()
    return fresh


def number(value: object) -> float:
    """Give a finite number back, or raise one of `DAMAGE`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a number")
    if not isfinite(value):
        raise ValueError("not finite")
    return float(value)


def whole(value: object) -> int:
    """Give a whole number back, or raise one of `DAMAGE`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("not a whole number")
    return value


def instant(value: object) -> datetime:
    """Give an aware time back, in UTC, or raise one of `DAMAGE`."""
    if not isinstance(value, str):
        raise TypeError("not a time")
    when = datetime.fromisoformat(value)
    if when.tzinfo is None:
        raise ValueError("no time zone")
    return when.astimezone(UTC)


def optional[T](read: Callable[[object], T], value: object) -> T | None:
    """Give what `read` makes of a value, None for None."""
    return None if value is None else read(value)


def flag(value: object) -> bool:
    """Give true or false back, or raise one of `DAMAGE`."""
    if not isinstance(value, bool):
        raise TypeError("not true or false")
    return value
