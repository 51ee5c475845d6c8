"""What the soak tests share: how long, which seed, and the table of what was survived.

Run by `scripts/test --soak`, in minutes; `--hours 8` for as long, `--seed 7` for other faults.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.integration.broker import broker_fixture  # noqa: F401
from tests.integration.conftest import _boot, _port, _ports, _stored  # noqa: F401

# Each row of the table, and the faults it stands for: of the simulator, and of the tests
ROWS = {
    "Bit errors of 1e-4, lost bytes": (
        *("bit-errors", "byte-loss"),
        *("bit errors, live", "bytes lost, live"),
    ),
    "Lists cut off, garbage between them, noise": (
        *("truncate", "small-buffer", "garbage", "noise", "unknown"),
        *("lists cut off, live", "garbage, live"),
    ),
    "Lists not sent, or twice": ("drop", "twice"),
    "Line ends, parity or form changed by an adapter": (
        *("oss-brikken", "hex", "seven-bits", "wrong-parity", "inverted"),
    ),
    "Counters at 0, too high, or of another moment": (
        *("zero-counters", "counter-jump", "counters-now"),
    ),
    "The list of the hour before again": ("repeat-hour-list",),
    "The meter's clock wrong or lost": ("clock-off", "clock-lost"),
    "Another meter on the port; the meter replaced": ("other-meter", "meter replaced"),
    "The key changed": ("keys changed",),
    "USB adapter unplugged and back": ("port unplugged", "USB unplugged, live"),
    "Connection reset, closed, refused": (
        *("connection reset, live", "connection closed, live"),
        "connection refused, live",
    ),
    "Connection half-open, or open and silent": (
        *("connection half-open, live", "connection silent, live"),
    ),
    "Bridge rebooted": ("bridge rebooted, live",),
    "Name not resolved": ("name not resolved, live",),
    "Two clients, bridge in use": ("two clients, live", "bridge in use, live"),
    "Banner, Telnet, a byte at a time": (
        *("banner, live", "telnet, live", "dribble, live"),
    ),
    "MQTT broker restarted": ("broker restarted, live",),
    "Home Assistant restarted": ("Home Assistant restarted",),
    "Home Assistant killed": ("Home Assistant killed", "Home Assistant killed, live"),
    "Its clock put forward or back": ("small clock step", "large clock step"),
}


@dataclass
class Row:
    """What became of one kind of fault: recovery in seconds, values and hours counted."""

    tried: int = 0
    survived: int = 0
    recovery: float = 0.0
    wrong: int = 0
    lines: int = 0


class Table:
    """The kinds of faults by their name, and what did not hold."""

    def __init__(self) -> None:
        """Begin with rows that nothing was tried of."""
        self.rows = {name: Row() for name in ROWS}
        self.notes: list[str] = []

    def add(
        self, name: str, recovery: float, lines: int, complaints: list[str]
    ) -> None:
        """Note one fault that is over; a complaint is of a value or hour that is wrong."""
        label = next((each for each, names in ROWS.items() if name in names), name)
        row = self.rows.setdefault(label, Row())
        row.tried += 1
        row.survived += not complaints
        row.recovery = max(row.recovery, recovery)
        row.wrong += len(complaints)
        row.lines = max(row.lines, lines)

    def lines(self) -> Iterator[str]:
        """Give it as it stands in the README."""
        yield "| Fault | Tried | Survived | Wrong or lost values | Back within | Log lines |"
        yield "|---|---|---|---|---|---|"
        for name, row in self.rows.items():
            yield (
                f"| {name} | {row.tried} | {row.survived} | {row.wrong} |"
                f" {row.recovery:.0f} s | {row.lines} |"
            )
        yield from self.notes


TABLE = pytest.StashKey[Table]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a person say how long, and which faults."""
    parser.addoption("--hours", type=float, default=0, help="instead of minutes")
    parser.addoption("--seed", type=int, default=1, help="another gives other faults")


def pytest_configure(config: pytest.Config) -> None:
    """Begin the table."""
    config.stash[TABLE] = Table()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table."""
    for line in config.stash[TABLE].lines():
        terminalreporter.write_line(line)


@pytest.fixture(name="recorder_db_url")
def _recorder_db_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the recorder a file in memory where the system has such: nobody waits for a disk."""
    memory = Path("/dev/shm")  # noqa: S108
    where = memory if memory.is_dir() else tmp_path_factory.mktemp("recorder")
    with TemporaryDirectory(dir=where) as folder:
        yield f"sqlite:///{folder}/recorder.db"


@pytest.fixture(name="table")
def _table(pytestconfig: pytest.Config) -> Table:
    """Give the table of this run."""
    return pytestconfig.stash[TABLE]


@pytest.fixture(name="seed")
def _seed(pytestconfig: pytest.Config) -> int:
    """Give what all chance begins with."""
    return int(pytestconfig.getoption("--seed"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let thirty days be lived once, or as often as there are hours, each with its seed."""
    if "life" in metafunc.fixturenames:
        first: int = metafunc.config.getoption("--seed")
        count = max(1, int(metafunc.config.getoption("--hours")))
        metafunc.parametrize("life", range(first, first + count))


@pytest.fixture(name="hours")
def _hours(pytestconfig: pytest.Config) -> float:
    """Give how many hours to go on; 0 is once through."""
    return float(pytestconfig.getoption("--hours"))
