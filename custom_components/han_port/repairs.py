"""What can only a person decide, or set right?"""

from typing import override

import probatio as vol

from homeassistant.components.repairs import FlowType, RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigEntryState,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN
from .coordinator import HanPortConfigEntry
from .takeover import async_confirm, async_undo
from .watch import COUNTER_DISPUTED


class FixFlow(RepairsFlow):
    """The dialog of an issue about an entry."""

    def __init__(self, entry: ConfigEntry, placeholders: dict[str, str]) -> None:
        """Take our entry, and what its texts need."""
        self._entry = entry
        self._placeholders = placeholders


class ConfirmFlow(FixFlow):
    """Say what is wrong, and do something about it when a person agrees."""

    async def async_step_init(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Begin; the input is what Home Assistant says of the issue."""
        return await self.async_step_confirm()

    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Say it; then mend it."""
        if user_input is not None:
            return await self._async_mend()
        return self.async_show_form(
            step_id="confirm",
            data_schema=vol.Schema({}),
            description_placeholders=self._placeholders,
        )

    async def _async_mend(self) -> RepairsFlowResult:
        raise NotImplementedError


class ListenFlow(ConfirmFlow):
    """Go on to the dialog that listens to the port again."""

    @override
    async def _async_mend(self) -> RepairsFlowResult:
        """Open it; the issue stays until the meter is heard."""
        flow = await self.hass.config_entries.flow.async_init(
            DOMAIN,
            context={"source": SOURCE_RECONFIGURE, "entry_id": self._entry.entry_id},
        )
        return self.async_abort(
            reason="listen", next_flow=(FlowType.CONFIG_FLOW, flow["flow_id"])
        )


class DisputeFlow(ConfirmFlow):
    """Let a person say that the meter was replaced, and believe its counters."""

    _entry: HanPortConfigEntry

    @override
    async def _async_mend(self) -> RepairsFlowResult:
        """Start over with what the meter counts now."""
        if self._entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="not_loaded")
        coordinator = self._entry.runtime_data
        for quantity in coordinator.account.disputed:
            coordinator.account.start_over(quantity)
        await coordinator.async_save()
        return self.async_create_entry(data={})


class MovedInFlow(FixFlow):
    """Keep what was taken over, or give it back."""

    async def async_step_init(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Ask."""
        return self.async_show_menu(
            step_id="init",
            menu_options=["keep", "undo"],
            description_placeholders=self._placeholders,
        )

    async def async_step_keep(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Let it be ours for good."""
        async_confirm(self.hass, self._entry)
        return self.async_create_entry(data={})

    async def async_step_undo(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Give everything back."""
        if await async_undo(self.hass, self._entry):
            return self.async_create_entry(data={})
        return self.async_abort(reason="not_undone")


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Give the dialog of an issue."""
    issue = ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
    entry = hass.config_entries.async_get_known_entry(str((data or {})["entry_id"]))
    placeholders = (issue and issue.translation_placeholders) or {}
    flows: dict[str, type[FixFlow]] = {
        "moved_in": MovedInFlow,
        COUNTER_DISPUTED: DisputeFlow,
    }
    flow = flows.get(issue_id.removesuffix(f"_{entry.entry_id}"), ListenFlow)
    return flow(entry, placeholders)
