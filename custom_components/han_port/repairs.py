"""What can only a person decide, or set right?"""

from collections.abc import Mapping
from typing import Any, override

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
from .handover import async_confirm, async_undo
from .protocol import Meter
from .replacement import async_replace_meter
from .watch import COUNTER_DISPUTED, OTHER_METER, POWER_AND_CURRENT

type IssueData = Mapping[str, Any]


class FixFlow(RepairsFlow):
    """The dialog of an issue about an entry."""

    def __init__(
        self, entry: ConfigEntry, placeholders: dict[str, str], data: IssueData
    ) -> None:
        """Take our entry, what its texts need, and what the issue knows."""
        self._entry = entry
        self._placeholders = placeholders
        self._data = data

    async def _async_listen(self) -> RepairsFlowResult:
        """Open the dialog that listens to the port; the issue stays until it is healed."""
        flow = await self.hass.config_entries.flow.async_init(
            DOMAIN,
            context={"source": SOURCE_RECONFIGURE, "entry_id": self._entry.entry_id},
        )
        return self.async_abort(
            reason="listen", next_flow=(FlowType.CONFIG_FLOW, flow["flow_id"])
        )


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
        return await self._async_listen()


class OtherMeterFlow(FixFlow):
    """Go on with the meter that is heard, or look for our own."""

    async def async_step_init(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Ask which it is."""
        return self.async_show_menu(
            step_id="init",
            menu_options=["replaced", "listen"],
            description_placeholders=self._placeholders,
        )

    async def async_step_listen(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Look for our own."""
        return await self._async_listen()

    async def async_step_replaced(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Say what will be; then do it."""
        if user_input is None:
            return self.async_show_form(
                step_id="replaced",
                data_schema=vol.Schema({}),
                description_placeholders=self._placeholders,
            )
        meter = Meter(
            **{key: self._data[key] for key in ("id", "manufacturer", "type")}
        )
        refused = await async_replace_meter(self.hass, self._entry, meter)
        if refused is not None:
            return self.async_abort(
                reason=refused, description_placeholders=self._placeholders
            )
        return self.async_create_entry(data={})


class PowerFlow(ConfirmFlow):
    """Go on to the multipliers."""

    @override
    async def _async_mend(self) -> RepairsFlowResult:
        """Open them; the issue stays until the values fit."""
        options = self.hass.config_entries.options
        flow = await options.async_init(self._entry.entry_id)
        await options.async_configure(flow["flow_id"], {"next_step_id": "accuracy"})
        return self.async_abort(
            reason="multipliers", next_flow=(FlowType.OPTIONS_FLOW, flow["flow_id"])
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
        OTHER_METER: OtherMeterFlow,
        POWER_AND_CURRENT: PowerFlow,
    }
    flow = flows.get(issue_id.removesuffix(f"_{entry.entry_id}"), ListenFlow)
    return flow(entry, placeholders, data or {})
