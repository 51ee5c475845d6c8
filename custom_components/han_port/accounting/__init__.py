"""Readings of one meter to energy by the hour; knows nothing of Home Assistant."""

from .account import Account
from .hour import RunningHour
from .peaks import Peak, PeakRules, Peaks
from .register import Dispute, Gap, LiveCounter, Refusal, Settlement
from .window import HOUR, QUARTER, Window

__all__ = [
    "HOUR",
    "QUARTER",
    "Account",
    "Dispute",
    "Gap",
    "LiveCounter",
    "Peak",
    "PeakRules",
    "Peaks",
    "Refusal",
    "RunningHour",
    "Settlement",
    "Window",
]
