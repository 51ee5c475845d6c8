"""Readings of one meter to energy by the hour; knows nothing of Home Assistant."""

from .account import Account
from .fuse import FuseGuard, Grid
from .hour import RunningHour
from .mean import DayMaximum, SlidingMeans
from .peaks import Peak, PeakRules, Peaks
from .register import MAX_WATTS, Dispute, Gap, LiveCounter, Refusal, Settlement
from .voltage import VoltageWatch, imbalance
from .window import HOUR, QUARTER, Window

__all__ = [
    "HOUR",
    "MAX_WATTS",
    "QUARTER",
    "Account",
    "DayMaximum",
    "Dispute",
    "FuseGuard",
    "Gap",
    "Grid",
    "LiveCounter",
    "Peak",
    "PeakRules",
    "Peaks",
    "Refusal",
    "RunningHour",
    "Settlement",
    "SlidingMeans",
    "VoltageWatch",
    "Window",
    "imbalance",
]
