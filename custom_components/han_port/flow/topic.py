"""Which topic of MQTT carries the meter?"""

import asyncio
from typing import Any

import probatio as vol

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)

from ..const import DOMAIN
from ..diagnosis import Heard
from ..protocol import Meter
from ..search import SEARCH_SECONDS, search
from ..source import SourceError
from ..topic import SCHEME, device_of, is_topic
from .steps import Steps, title

# A reader that collects what the meter sends may take half a minute for it.
TOPIC_SECONDS = 60

CONF_TOPIC = "topic"
TOPIC_SCHEMA = vol.Schema({vol.Optional(CONF_TOPIC): str})


class TopicSteps(Steps):
    """Ask for the topic, or search for it."""

    def __init__(self) -> None:
        """Start without a search."""
        super().__init__()
        self._searching: asyncio.Task[dict[str, Heard]] | None = None

    def _show_ways(self) -> ConfigFlowResult:
        """Ask whether a meter is on a port or comes over MQTT."""
        return self.async_show_menu(step_id="way", menu_options=["other_port", "topic"])

    async def async_step_way(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask it again."""
        return self._show_ways()

    async def async_step_topic(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the topic of a reader, or search for it when none is given."""
        if user_input is not None:
            topic = user_input.get(CONF_TOPIC, "").strip()
            if not topic:
                return await self.async_step_search()
            try:
                self._device = device_of(topic)
            except SourceError:
                self._failure = "invalid_topic"
            else:
                self._failure = self._check_taken()
                if self._failure is None:
                    return await self.async_step_listen()
        else:
            topic = self._device.removeprefix(SCHEME) if is_topic(self._device) else ""
        return self.async_show_form(
            step_id="topic",
            data_schema=self.add_suggested_values_to_schema(
                TOPIC_SCHEMA, {CONF_TOPIC: topic}
            ),
            errors={"base": self._failure} if self._failure else None,
            description_placeholders={
                "device": topic or self._device,
                **self._detail,
                "seconds": str(SEARCH_SECONDS if not topic else TOPIC_SECONDS),
            },
        )

    async def async_step_search(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show progress while all topics are listened to."""
        if self._searching is None:
            self._searching = self.hass.async_create_background_task(
                search(self.hass, self.async_update_progress),
                f"{DOMAIN} setup searches MQTT",
                eager_start=False,
            )
        if not self._searching.done():
            return self.async_show_progress(
                step_id="search",
                progress_action="search",
                progress_task=self._searching,
            )
        task, self._searching = self._searching, None
        try:
            self._found = task.result()
        except SourceError as err:
            self._failure = err.reason
            return self.async_show_progress_done(next_step_id="topic")
        if self._found:
            self._failure = None
            return self.async_show_progress_done(next_step_id="found")
        self._failure = "no_topic"
        self._device = ""
        return self.async_show_progress_done(next_step_id="topic")

    async def async_step_found(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show which topics carry a meter, and ask for one."""
        errors = {}
        if user_input is not None:
            self._device = user_input[CONF_TOPIC]
            if (failure := self._check_taken()) is None:
                return await self.async_step_listen()
            errors = {"base": failure}
        options = [
            SelectOptionDict(value=device, label=_describe(device, heard))
            for device, heard in self._found.items()
        ]
        selector = SelectSelector(
            SelectSelectorConfig(options=options, mode=SelectSelectorMode.LIST)
        )
        return self.async_show_form(
            step_id="found",
            data_schema=vol.Schema(
                {vol.Required(CONF_TOPIC, default=next(iter(self._found))): selector}
            ),
            errors=errors,
            description_placeholders={
                "device": self._device.removeprefix(SCHEME),
                **self._detail,
            },
        )


def _describe(device: str, heard: Heard) -> str:
    """Name a topic by the meter it carries."""
    meter = heard.meter or Meter()
    power = heard.power
    parts = [
        title(meter) if heard.meter else "HAN Port 🔒",
        meter.id,
        None if power is None else f"{power:.0f} W",
        device.removeprefix(SCHEME),
    ]
    return " · ".join(filter(None, parts))
