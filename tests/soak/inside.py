"""What can only be seen, and broken, from inside of the Home Assistant of a soak test?

Each second `tasks.txt` in its folder gets how many tasks there are. While there is a file
`no-names` the name localhost is not known.
"""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
import socket
from typing import Any

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.typing import ConfigType


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Begin to count, and stand before the names."""
    folder = Path(hass.config.config_dir)
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host == "localhost" and (folder / "no-names").exists():
            raise socket.gaierror(
                socket.EAI_AGAIN, "Temporary failure in name resolution"
            )
        return resolve(host, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo

    @callback
    def count(now: datetime) -> None:
        number = len(asyncio.all_tasks())
        hass.async_add_executor_job((folder / "tasks.txt").write_text, str(number))

    async_track_time_interval(hass, count, timedelta(seconds=1))
    return True
