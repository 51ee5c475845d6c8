"""What may be had of another integration that reads a meter, and does a person want it?"""

from typing import Any

import probatio as vol

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.const import CONF_DEVICE
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    TextSelector,
    TextSelectorConfig,
)

from .. import takeover
from ..protocol import Line
from .steps import Steps

CONF_ENTRY = "entry"
CONF_MOVES = "moves"
CONF_TAKE_OVER = "take_over"


class MovingInSteps(Steps):
    """Offer the port of another integration, and then its entities."""

    def __init__(self) -> None:
        """Start without another integration."""
        super().__init__()
        # What there is for us, and which of it a person wants
        self._plan: takeover.Plan | None = None
        self._moves: dict[str, str] = {}

    def _others(self) -> dict[str, takeover.Port]:
        """Give the ports of other integrations that are not ours yet, by entry."""
        ours = {
            entry.data[CONF_DEVICE]
            for entry in self._async_current_entries(include_ignore=False)
        }
        return {
            entry.entry_id: port
            for entry, port in takeover.entries(self.hass)
            if port.device not in ours
        }

    async def async_step_moving_in(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Offer the port of another integration that reads a meter."""
        names = {
            takeover.NAMES[entry.domain]
            for entry, _ in takeover.entries(self.hass)
            if entry.entry_id in self._others()
        }
        return self.async_show_menu(
            step_id="moving_in",
            menu_options=[
                *("their_port", "other_port"),
                *(["topic"] if self._has_mqtt else []),
            ],
            description_placeholders={"integration": " + ".join(sorted(names))},
        )

    async def async_step_their_port(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Listen to the port of another integration; ask which if there are several."""
        ports = self._others()
        if user_input is None and len(ports) > 1:
            options = [
                SelectOptionDict(
                    value=entry.entry_id,
                    label=f"{takeover.NAMES[entry.domain]}: {entry.title}"
                    f" ({port.device})",
                )
                for entry, port in takeover.entries(self.hass)
                if entry.entry_id in ports
            ]
            selector = SelectSelector(SelectSelectorConfig(options=options))
            return self.async_show_form(
                step_id="their_port",
                data_schema=vol.Schema({vol.Required(CONF_ENTRY): selector}),
            )
        self._other = user_input[CONF_ENTRY] if user_input else next(iter(ports), None)
        if self._other not in ports:
            return await self._async_ask_port(None)
        self._line = Line.parse(ports[self._other].line or "")
        return await self._async_ask_port({CONF_DEVICE: ports[self._other].device})

    async def async_step_move(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show what can be had of another integration, and ask whether to take it."""
        plan = self._plan or takeover.Plan({}, {})
        if user_input is not None:
            if user_input.get(CONF_TAKE_OVER):
                self._moves = {name: each.value for name, each in plan.moves.items()}
            return await self.async_step_confirm({})
        listed: dict[str, list[str]] = {CONF_MOVES: list(plan.moves)}
        for reason in takeover.Reason:
            listed[reason.value] = [
                name for name, each in plan.stays.items() if each is reason
            ]
        shown = TextSelector(TextSelectorConfig(multiline=True, read_only=True))
        fields: dict[vol.Marker, Any] = {
            vol.Optional(key, default=", ".join(names)): shown
            for key, names in listed.items()
            if names
        }
        if plan.moves:
            fields[vol.Required(CONF_TAKE_OVER, default=True)] = bool
        return self.async_show_form(step_id="move", data_schema=vol.Schema(fields))
