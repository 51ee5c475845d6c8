"""What can only a person decide, or set right?"""

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN
from .takeover import async_confirm, async_undo


class MovedInFlow(RepairsFlow):
    """Keep what was taken over, or give it back."""

    def __init__(self, entry: ConfigEntry, placeholders: dict[str, str]) -> None:
        """Take our entry, and what its texts need."""
        self._entry = entry
        self._placeholders = placeholders

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
    return MovedInFlow(entry, (issue and issue.translation_placeholders) or {})
