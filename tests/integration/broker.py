"""A real MQTT broker: mosquitto, where the system or `scripts/setup` has one.

Tests that ask for it are skipped where there is none, unless HAN_PORT_BROKER is set.
"""

import asyncio
from collections.abc import AsyncIterator
import os
from pathlib import Path
import shutil
import socket

import pytest

_ROOT = Path(__file__).parents[2]
PATIENCE = 10  # seconds until a broker that does not start fails the test


def _program() -> str | None:
    """Give the path of the broker, None if there is none."""
    folders = (os.environ["PATH"], "/usr/sbin", str(_ROOT / ".tools" / "bin"))
    return shutil.which("mosquitto", path=os.pathsep.join(folders))


class Broker:
    """A broker on one port, which can be stopped and started again."""

    def __init__(self, program: str, folder: Path) -> None:
        """Choose a port that nobody has."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._program = program
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
            "max_queued_messages 10000\n"
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start, and wait until it can be connected to."""
        self._process = await asyncio.create_subprocess_exec(
            self._program,
            "-c",
            str(self._settings),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    assert self._process.returncode is None, "the broker ended"
                    await asyncio.sleep(0.01)
                else:
                    writer.close()
                    await writer.wait_closed()
                    return

    async def stop(self) -> None:
        """Stop at once, without a word to those who are connected."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None


@pytest.fixture(name="broker")
async def broker_fixture(socket_enabled: None, tmp_path: Path) -> AsyncIterator[Broker]:
    """Give a running broker."""
    program = _program()
    if program is None:
        why = "no MQTT broker: install mosquitto, or run scripts/setup on Debian"
        if os.environ.get("HAN_PORT_BROKER"):
            pytest.fail(why)
        pytest.skip(why)
    broker = Broker(program, tmp_path)
    await broker.start()
    yield broker
    await broker.stop()
