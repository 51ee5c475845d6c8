"""Where do the bytes come from? One iterator of chunks over a serialx URL."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from enum import StrEnum
import errno
import re
import socket
import termios
from urllib.parse import urlsplit

import serialx
from serialx.common import UnknownUriScheme

from homeassistant.exceptions import ConfigEntryNotReady

# A bridge or its name server that has not answered by then is not going to.
OPEN_TIMEOUT = 15

# The most that is decoded before other tasks get their turn.
CHUNK_SIZE = 4096

NETWORK_SCHEMES = ("socket", "tcp", "rfc2217")


class OpenFailure(StrEnum):
    """Why a port gives no bytes; the value is the translation key."""

    BUSY = "busy"
    PERMISSION = "permission"
    REFUSED = "refused"
    NOT_FOUND = "not_found"
    UNKNOWN_HOST = "unknown_host"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    INVALID_URL = "invalid_url"
    NOT_READY = "not_ready"
    NO_MQTT = "no_mqtt"
    FAILED = "failed"


_BY_ERRNO = {
    errno.EBUSY: OpenFailure.BUSY,
    errno.EACCES: OpenFailure.PERMISSION,
    errno.EPERM: OpenFailure.PERMISSION,
    errno.ECONNREFUSED: OpenFailure.REFUSED,
    errno.ENOENT: OpenFailure.NOT_FOUND,
    errno.ENODEV: OpenFailure.NOT_FOUND,
    errno.ENXIO: OpenFailure.NOT_FOUND,
    errno.ENOTDIR: OpenFailure.NOT_FOUND,
    errno.EISDIR: OpenFailure.NOT_FOUND,
    errno.ENOTTY: OpenFailure.NOT_FOUND,
    errno.EHOSTUNREACH: OpenFailure.UNREACHABLE,
    errno.EHOSTDOWN: OpenFailure.UNREACHABLE,
    errno.ENETUNREACH: OpenFailure.UNREACHABLE,
    errno.ENETDOWN: OpenFailure.UNREACHABLE,
    errno.ETIMEDOUT: OpenFailure.TIMEOUT,
}


class SourceError(Exception):
    """A port that could not be opened, or a link that broke."""

    def __init__(self, reason: OpenFailure, device: str, detail: str) -> None:
        """Take the reason, the port as a URL, and the words of the system."""
        super().__init__(f"{device}: {detail}")
        self.reason = reason
        self.device = device
        self.detail = detail


def normalise(text: str) -> str:
    """Return the one spelling of the port that a person typed.

    `host:port` and `[address]:port` become `socket://`; paths and other URLs stay, with
    the scheme in lower case. Raises SourceError(INVALID_URL) for what can be no port.
    """
    device = text.strip()
    if device.startswith("/"):
        return device
    scheme, separator, rest = device.rpartition("://")
    scheme = scheme.lower() if separator else "socket"
    device = f"{scheme}://{rest}"
    if scheme in NETWORK_SCHEMES:
        try:
            parts = urlsplit(device)
            valid = bool(parts.hostname and parts.port)
        except ValueError:
            valid = False
        if not valid or re.search(r"\s", rest):
            raise SourceError(
                OpenFailure.INVALID_URL, text.strip(), "expected host and port"
            )
        device = device.rstrip("/")
    return device


@asynccontextmanager
async def open_source(device: str) -> AsyncIterator[AsyncIterator[bytes]]:
    """Open the port and give its chunks; close it on the way out, whatever happens.

    The iterator ends when the other end closes the link. SourceError is raised by the
    opening, and by the iterator when the link breaks.
    """
    # A pty answers EINVAL to any parity but none; matters once parity is detected.
    port = serialx.async_serial_for_url(
        device,
        baudrate=2400,
        byte_size=8,
        parity=serialx.Parity.NONE,
        stopbits=serialx.StopBits.ONE,
    )
    try:
        async with asyncio.timeout(OPEN_TIMEOUT):
            await port.open()
    except (
        OSError,
        serialx.SerialException,
        termios.error,  # what serialx before 1.10 lets through
        ValueError,
        ConfigEntryNotReady,
    ) as err:
        raise _source_error(device, err) from err
    try:
        async with aclosing(_chunks(device, port)) as chunks:
            yield chunks
    finally:
        await port.close()


async def _chunks(device: str, port: serialx.AsyncSerial) -> AsyncGenerator[bytes]:
    try:
        while chunk := await port.read(CHUNK_SIZE):
            yield chunk
            # Reading what is buffered already does not wait: without this a line that
            # never pauses would leave no time for anything else.
            await asyncio.sleep(0)
    except (OSError, serialx.SerialException) as err:
        raise _source_error(device, err) from err


def _source_error(device: str, err: Exception) -> SourceError:
    match err:
        case ConfigEntryNotReady():
            # What stands in for esphome-hass:// until the ESPHome integration is up
            reason = OpenFailure.NOT_READY
        case ValueError() | UnknownUriScheme():
            reason = OpenFailure.INVALID_URL
        case socket.gaierror():
            reason = OpenFailure.UNKNOWN_HOST
        case TimeoutError():
            reason = OpenFailure.TIMEOUT
        case OSError(errno=int(number)) | termios.error(args=(int(number), *_)):
            reason = _BY_ERRNO.get(number, OpenFailure.FAILED)
        case OSError() if numbers := re.findall(r"\[Errno (\d+)\]", str(err)):
            # asyncio tries every address of a host, and joins what they said as text
            reason = _BY_ERRNO.get(int(numbers[-1]), OpenFailure.FAILED)
        case _:
            reason = OpenFailure.FAILED
    return SourceError(reason, device, str(err) or type(err).__name__)
