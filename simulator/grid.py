"""What does a meter measure at its terminals, given the loads behind it?"""

from cmath import phase as angle, rect
from datetime import datetime
from enum import Enum
from math import degrees, pi, sin

from .curve import EPOCH, Load

RESISTANCE = 0.12  # ohm, of the cable from the transformer
TURN = 2 * pi / 3


class Wiring(Enum):
    """How the house is connected."""

    ONE_PHASE = "1p"
    THREE_WIRE = "3w"  # IT or TT, 230 V between the lines, no neutral
    FOUR_WIRE = "4w"  # TN, 230 V from each line to the neutral


def _voltage(when: datetime, branch: int, power: int) -> float:
    """Return the voltage over a branch that draws `power` W."""
    seconds = (when - EPOCH).total_seconds()
    slow = 2.5 * sin(2 * pi * seconds / 5400 + branch)
    fast = 0.8 * sin(2 * pi * seconds / 47 + 2 * branch)
    return 232 + slow + fast - RESISTANCE * power / 230


def measure(wiring: Wiring, load: Load, when: datetime) -> dict[str, float]:
    """Return voltages in V, currents in A, angles in degrees, and phases in W and var.

    A current is negative when the power of its measuring element is. Three wires are
    measured with two elements, U(L1-L2) with I1 and U(L3-L2) with I3 (Aron), so there I2
    has no sign and no phase has a power; the voltages are L1-L2, L1-L3 and L2-L3.
    """
    loads = [complex(p, q) for p, q in zip(load.active, load.reactive, strict=True)]
    if wiring is Wiring.ONE_PHASE:
        loads = [sum(loads)]
    voltages = [
        _voltage(when, branch, int(power.real)) for branch, power in enumerate(loads)
    ]
    if wiring is Wiring.THREE_WIRE:
        nodes = [
            rect(volt / 3**0.5, -TURN * line) for line, volt in enumerate(voltages)
        ]
        across = [nodes[line] - nodes[(line + 1) % 3] for line in range(3)]
        branches = [
            (power / volt).conjugate()
            for power, volt in zip(loads, across, strict=True)
        ]
        lines = [branches[line] - branches[line - 1] for line in range(3)]
        elements = (across[0] * lines[0].conjugate(), -across[1] * lines[2].conjugate())
        return {
            "voltage_l1": abs(across[0]),
            "voltage_l2": abs(across[2]),
            "voltage_l3": abs(across[1]),
            "current_l1": abs(lines[0]) * (-1 if elements[0].real < 0 else 1),
            "current_l2": abs(lines[1]),
            "current_l3": abs(lines[2]) * (-1 if elements[1].real < 0 else 1),
        }
    measured: dict[str, float] = {}
    for phase, (power, volt) in enumerate(zip(loads, voltages, strict=True), 1):
        active, reactive = int(power.real), int(power.imag)
        measured |= {
            f"voltage_l{phase}": volt,
            f"current_l{phase}": abs(power) / volt * (-1 if active < 0 else 1),
            f"active_power_import_l{phase}": max(active, 0),
            f"active_power_export_l{phase}": max(-active, 0),
            f"reactive_power_import_l{phase}": max(reactive, 0),
            f"reactive_power_export_l{phase}": max(-reactive, 0),
            f"phase_angle_l{phase}": degrees(angle(power)) % 360,
            f"power_factor_l{phase}": abs(active) / abs(power) if power else 1,
        }
    return measured
