"""What do all steps share? What is known of the port so far, and where it leads."""

from collections.abc import Mapping
from typing import Any

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigFlow,
    ConfigFlowResult,
)
from homeassistant.const import CONF_DEVICE

from ..const import CONF_LINE, KEYS
from ..diagnosis import Heard
from ..protocol import Line, Meter, model_name


class Steps(ConfigFlow):
    """What the flow knows, and the steps that others lead to."""

    def __init__(self) -> None:
        """Start without a port."""
        self._device = ""
        self._heard = Heard()
        # How the line was set last, None as long as it cannot be or is not known
        self._line: Line | None = None
        # What is wrong, as the key of its text, and what else that text tells
        self._failure: str | None = None
        self._detail: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        # What a search has heard already, by device
        self._found: dict[str, Heard] = {}
        # The entry of another integration whose port this is
        self._other: str | None = None

    async def _async_ask_port(
        self, user_input: dict[str, Any] | None
    ) -> ConfigFlowResult:
        """Ask for the port, or go on with the answer."""
        raise NotImplementedError

    async def async_step_listen(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Listen to the port."""
        raise NotImplementedError

    async def async_step_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show the meter, or add it."""
        raise NotImplementedError

    def _check_taken(self) -> str | None:
        """Return the error if another entry has the device."""
        if self.source != SOURCE_RECONFIGURE:
            for entry in self._async_current_entries(include_ignore=False):
                if entry.data[CONF_DEVICE] == self._device:
                    self._detail["entry"] = entry.title
                    return "port_taken"
        return None

    @property
    def _has_mqtt(self) -> bool:
        """Say whether the MQTT integration is running."""
        return bool(self.hass.config_entries.async_loaded_entries("mqtt"))

    def _port_data(self) -> dict[str, str]:
        """Give what the data of an entry say of its port."""
        line = {} if self._line is None else {CONF_LINE: str(self._line)}
        return {CONF_DEVICE: self._device, **line}

    def _with_keys(self, entry: ConfigEntry) -> dict[str, Any]:
        """Give the data of an entry with the keys of now, and none of before."""
        data = {name: each for name, each in entry.data.items() if name not in KEYS}
        return {**data, **self._keys}


def title(meter: Meter) -> str:
    """Name the entry by maker and model."""
    return " ".join(filter(None, (meter.manufacturer, model_name(meter)))) or "HAN Port"


def keys_of(data: Mapping[str, Any]) -> dict[str, str]:
    """Give the keys in the data of an entry."""
    return {name: data[name] for name in KEYS if name in data}
