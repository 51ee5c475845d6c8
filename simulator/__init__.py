"""A meter that could be the real thing: for tests, the demo and the benchmarks.

Knows nothing of the integration, so that the two prove each other.
"""

from .families import ALIASES, MODELS
from .faults import FAULTS
from .meter import SimulatedMeter, create
from .serve import serve_pty, serve_tcp

__all__ = [
    "ALIASES",
    "FAULTS",
    "MODELS",
    "SimulatedMeter",
    "create",
    "serve_pty",
    "serve_tcp",
]
