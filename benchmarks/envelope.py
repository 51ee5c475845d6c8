"""Does a hostile payload on MQTT cost more than 50 ms?

    .venv/bin/python benchmarks/envelope.py

Shown are the milliseconds of CPU until a payload is unwrapped and decoded; exit code 1 where
one takes more than 50. What it costs in memory is a test (tests/protocol/test_envelope.py).
"""

from pathlib import Path
import sys
import time

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from custom_components.han_port.protocol import Decoder
from custom_components.han_port.protocol.envelope import Envelope
from tests.protocol.test_envelope import HOSTILE

LIMIT = 50  # ms


def main() -> int:
    """Print a line for each payload."""
    slowest = 0.0
    for name, payload in HOSTILE.items():
        begun = time.process_time()
        decoder = Decoder()
        for message in Envelope().unwrap(payload, 0).messages:
            decoder.decode(message.data)
        spent = 1000 * (time.process_time() - begun)
        slowest = max(slowest, spent)
        print(f"{name:<14}{len(payload):>10} bytes{spent:>8.1f} ms")
    return int(slowest > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
