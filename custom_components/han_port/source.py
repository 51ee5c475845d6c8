"""Where do the bytes come from? One iterator of chunks over a serialx URL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
import errno
import logging
import re
import socket
import termios
from typing import Any, Self
from urllib.parse import urlsplit

import serialx
from serialx.common import UnknownUriScheme

from homeassistant.exceptions import ConfigEntryNotReady

from .protocol import Line, LineDetector, Look, candidates

_LOGGER = logging.getLogger(__package__)

# A bridge or its name server that has not answered by then is not going to.
OPEN_TIMEOUT = 15

# The most that is decoded before other tasks get their turn.
CHUNK_SIZE = 4096

NETWORK_SCHEMES = ("socket", "tcp", "rfc2217")
RAW_SCHEMES = ("socket:", "tcp:")


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
    # What some bridges do to a second reader
    errno.ECONNRESET: OpenFailure.REFUSED,
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


# What opening and reading may raise that is no bug of ours
_ERRORS = (
    OSError,
    serialx.SerialException,
    termios.error,  # what serialx before 1.10 lets through
    ValueError,
    ConfigEntryNotReady,
)


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


class Source:
    """An open port: an iterator of chunks, which ends when the other end closes the link.

    Where the line can be set from here its setting is searched until a frame was intact:
    say so with `found`, and of all chunks before then that they made none with `missed`.
    An empty chunk says that the line was set otherwise: what came before does not go on.

    `line` is how the line is set, None on a bridge of raw TCP, which has settings of its
    own. `look` is what bytes looked like that made no intact frame. A wait for the next
    chunk may be cancelled without loss.
    """

    def __init__(self, device: str, country: str | None, known: Line | None) -> None:
        """Take a URL, the country's ISO code, and the setting that has worked before."""
        self.device = device
        self._now = asyncio.get_running_loop().time
        self._detector: LineDetector | None = None
        # Whether more may be buffered behind the last chunk
        self._more = False
        first = known or candidates(country)[0]
        self.line: Line | None = None
        if not device.startswith(RAW_SCHEMES):
            self._detector = LineDetector(self._now(), country, known)
            self.line = first
        self._port = serialx.async_serial_for_url(device, **_settings(first))

    @property
    def look(self) -> Look | None:
        """What the last bytes looked like that made no intact frame."""
        return self._detector.look if self._detector else None

    async def open(self) -> None:
        """Open the port; what goes wrong is as serialx has it."""
        try:
            await self._port.open()
        except (OSError, termios.error) as err:
            if err.args[:1] != (errno.EINVAL,) or self.line is None:
                raise
            # A pty has no parity
            await self._reopen(self.line._replace(parity="N"))

    async def close(self) -> None:
        """Close the port."""
        await self._port.close()

    def found(self) -> None:
        """Note that a frame was intact: the line is set right."""
        self._detector = None

    def missed(self, chunk: bytes) -> None:
        """Note that a chunk made no intact frame."""
        if self._detector is not None:
            self._detector.take(self._now(), chunk)

    def __aiter__(self) -> Self:
        """Give the chunks."""
        return self

    async def __anext__(self) -> bytes:
        """Wait for the next chunk. SourceError when the link breaks."""
        if self._more:
            # Reading what is buffered already does not wait: without this a line that
            # never pauses would leave no time for anything else.
            await asyncio.sleep(0)
        try:
            while True:
                if self._detector and (line := self._detector.change(self._now())):
                    await self._set(line)
                    return b""
                deadline = self._detector.deadline if self._detector else None
                if deadline is None:
                    chunk = await self._port.read(CHUNK_SIZE)
                    break
                try:
                    async with asyncio.timeout_at(deadline) as pause:
                        chunk = await self._port.read(CHUNK_SIZE)
                        break
                except TimeoutError:
                    # That of a dead link looks the same.
                    if not pause.expired():
                        raise
        except _ERRORS as err:
            raise _source_error(self.device, err) from err
        if not chunk:
            raise StopAsyncIteration
        self._more = len(chunk) == CHUNK_SIZE
        return chunk

    async def _set(self, line: Line) -> None:
        """Set the line otherwise; leave it as it is if the port refuses that."""
        _LOGGER.debug("%s: trying %s", self.device, line)
        try:
            if hasattr(self._port, "reconfigure_port"):
                await self._port.reconfigure_port(**_settings(line))
            else:  # serialx before 1.10
                await self._port.close()
                await self._reopen(line)
        except OSError, termios.error, serialx.UnsupportedSetting:
            return
        self.line = line

    async def _reopen(self, line: Line) -> None:
        self._port = serialx.async_serial_for_url(self.device, **_settings(line))
        await self._port.open()
        self.line = line


def _settings(line: Line) -> dict[str, Any]:
    return {
        "baudrate": line.baudrate,
        "byte_size": line.byte_size,
        "parity": serialx.Parity(line.parity),
        "stopbits": serialx.StopBits.ONE,
    }


@asynccontextmanager
async def open_source(
    device: str, country: str | None = None, known: Line | None = None
) -> AsyncIterator[Source]:
    """Open the port; close it on the way out, whatever happens.

    `country` and the setting that is known to have worked say where the search for the
    setting of a line begins. SourceError if the port cannot be opened.
    """
    try:
        source = Source(device, country, known)
        async with asyncio.timeout(OPEN_TIMEOUT):
            await source.open()
    except _ERRORS as err:
        raise _source_error(device, err) from err
    try:
        yield source
    finally:
        await source.close()


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
