"""Are the lists of real meters dated as they were sent?

They are read where HAN_PORT_CORPUS says, or from shared/corpus beside the repository.
"""

from datetime import UTC, datetime, timedelta
import json
import os
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from custom_components.han_port.accounting import Account, Refusal, Settlement
from custom_components.han_port.protocol import Decoder, Meter, MeterReading, Quantity

OSLO = ZoneInfo("Europe/Oslo")
CORPUS = Path(
    os.environ.get("HAN_PORT_CORPUS", Path(__file__).parents[3] / "shared" / "corpus")
)
IMPORT = Quantity.ENERGY_IMPORT


@pytest.mark.skipif(not CORPUS.is_dir(), reason="no captures here")
@pytest.mark.parametrize(
    ("stream", "first", "counter"),
    [
        # Its clock has daylight saving; the first list says 19:31:02
        ("kaifa-no-hour", datetime(2017, 9, 14, 17, 31, 3, tzinfo=UTC), 180.073),
        # Its clock has not, or has: 03:43:30
        ("kamstrup-no-hour", datetime(2017, 10, 20, 2, 43, 31, tzinfo=UTC), 4272.44),
    ],
)
def test_stream(stream: str, first: datetime, counter: float) -> None:
    """Fifty minutes around a full hour, as they were read from the port."""
    data = (CORPUS / "streams" / f"{stream}.bin").read_bytes()
    account, decoder = Account(OSLO), Decoder()
    settled = list[dict[Quantity, Settlement]]()
    for line in (CORPUS / "streams" / f"{stream}.jsonl").read_text().splitlines():
        read = json.loads(line)
        when = first + timedelta(seconds=read["t"])
        for outcome in decoder.feed(data[read["offset"] :][: read["len"]]):
            if isinstance(outcome.result, MeterReading):
                settled.append(account.advance(when, outcome.result))
    assert not account.refused
    assert not account.live
    (settlement,) = [each[IMPORT] for each in settled if each]
    hour = settlement.instant
    assert (hour.minute, hour.second, settlement.counter) == (0, 0, counter)
    assert account.counters[IMPORT].total == pytest.approx(
        counter + account.counters[IMPORT].since(hour)[0]
    )
    assert account.hour.complete


def test_repeated_list_of_an_aidon() -> None:
    """The list of 18:00 that repeats the one of 17:00 is found, and the next believed.

    Clocks, counters and power are those of a 6534 of December 2025.
    """
    lists = [
        ("16:00:00", "16:00:11", 109552.25, 4027),
        ("17:00:00", "17:00:11", 109554.02, 319),
        ("17:00:00", "18:00:11", 109554.02, 12633),
        ("19:00:00", "19:00:11", 109562.07, 763),
    ]
    account, settled = Account(OSLO), list[dict[Quantity, Settlement]]()
    for clock, received, counter, watts in lists:
        values = {IMPORT: counter, Quantity.ACTIVE_POWER_IMPORT: float(watts)}
        reading = MeterReading(
            Meter(), values, 3, datetime.fromisoformat(f"2025-12-14T{clock}")
        )
        when = datetime.fromisoformat(f"2025-12-14T{received}").replace(tzinfo=OSLO)
        settled.append(account.advance(when, reading))
    hours = [each[IMPORT].instant.astimezone(OSLO).hour for each in settled if each]
    assert hours == [16, 17, 19]
    assert account.refused == {Refusal.REPEATED: 1}
