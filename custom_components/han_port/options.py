"""What does only a person know? Asked in plain words, kept as options."""

from collections.abc import Mapping
from typing import Any

import probatio as vol

from homeassistant.config_entries import ConfigFlowResult, OptionsFlowWithReload
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)

from .accounting import HOUR, QUARTER, PeakRules
from .const import (
    CONF_DAYS,
    CONF_FROM_HOUR,
    CONF_FROM_MONTH,
    CONF_LENGTH,
    CONF_ONE_PER_DAY,
    CONF_PEAKS,
    CONF_PUBLISH,
    CONF_TO_HOUR,
    CONF_TO_MONTH,
    CONF_WEIGHT,
    CONF_WEIGHT_FROM_HOUR,
    CONF_WEIGHT_TO_HOUR,
)
from .publishing import Publish

LENGTHS = {"hour": HOUR, "quarter": QUARTER}
DAYS = {"all": frozenset(range(7)), "workdays": frozenset(range(5))}
# Norway's rule. An hour is when it ends for `to`, when it begins for `from`.
DEFAULTS: dict[str, Any] = {
    CONF_PEAKS: 3,
    CONF_ONE_PER_DAY: True,
    CONF_LENGTH: "hour",
    CONF_DAYS: "all",
    CONF_FROM_HOUR: 0,
    CONF_TO_HOUR: 24,
    CONF_FROM_MONTH: 1,
    CONF_TO_MONTH: 12,
    CONF_WEIGHT: 100,
    CONF_WEIGHT_FROM_HOUR: 22,
    CONF_WEIGHT_TO_HOUR: 6,
}


def _number(low: int, high: int, unit: str | None = None) -> Any:
    config = NumberSelectorConfig(min=low, max=high, mode=NumberSelectorMode.BOX)
    if unit is not None:
        config["unit_of_measurement"] = unit
    return vol.All(NumberSelector(config), vol.Coerce(int))


def _choice(key: str, options: Mapping[str, object]) -> SelectSelector:
    return SelectSelector(
        SelectSelectorConfig(
            options=list(options), translation_key=key, mode=SelectSelectorMode.LIST
        )
    )


_HOUR = _number(0, 24)
_MONTH = _number(1, 12)
SCHEMA = vol.Schema(
    {
        vol.Required(CONF_PEAKS): _number(1, 10),
        vol.Required(CONF_ONE_PER_DAY): BooleanSelector(),
        vol.Required(CONF_LENGTH): _choice(CONF_LENGTH, LENGTHS),
        vol.Required(CONF_DAYS): _choice(CONF_DAYS, DAYS),
        vol.Required(CONF_FROM_HOUR): _HOUR,
        vol.Required(CONF_TO_HOUR): _HOUR,
        vol.Required(CONF_FROM_MONTH): _MONTH,
        vol.Required(CONF_TO_MONTH): _MONTH,
        vol.Required(CONF_WEIGHT): _number(0, 100, "%"),
        vol.Required(CONF_WEIGHT_FROM_HOUR): _HOUR,
        vol.Required(CONF_WEIGHT_TO_HOUR): _HOUR,
    }
)


PUBLISH_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_PUBLISH): SelectSelector(
            SelectSelectorConfig(
                options=list(Publish),
                translation_key=CONF_PUBLISH,
                mode=SelectSelectorMode.LIST,
            )
        )
    }
)


def peak_rules(options: Mapping[str, Any]) -> PeakRules:
    """Make the rules that the options of an entry state; Norway's where they are silent."""
    said = {**DEFAULTS, **options}
    weight = said[CONF_WEIGHT] / 100
    return PeakRules(
        count=said[CONF_PEAKS],
        one_per_day=said[CONF_ONE_PER_DAY],
        length=LENGTHS[said[CONF_LENGTH]],
        weekdays=DAYS[said[CONF_DAYS]],
        hours=_hours(said[CONF_FROM_HOUR], said[CONF_TO_HOUR]),
        months=_months(said[CONF_FROM_MONTH], said[CONF_TO_MONTH]),
        weighted_hours=_hours(said[CONF_WEIGHT_FROM_HOUR], said[CONF_WEIGHT_TO_HOUR])
        if weight < 1
        else frozenset(),
        weight=weight,
    )


def _hours(first: int, end: int) -> frozenset[int]:
    """Give the hours of the day from one time to another, which may be past midnight."""
    if first <= end:
        return frozenset(range(first, end))
    return frozenset((*range(first, 24), *range(end)))


def _months(first: int, last: int) -> frozenset[int]:
    """Give the months from one to another, which may be of the next year."""
    if first <= last:
        return frozenset(range(first, last + 1))
    return frozenset((*range(first, 13), *range(1, last + 1)))


class HanPortOptionsFlow(OptionsFlowWithReload):
    """Ask what the grid company counts, and how often values are shown."""

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Let a person choose what to set."""
        return self.async_show_menu(menu_options=["tariff", "publishing"])

    async def async_step_publishing(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask how often values are shown."""
        if user_input is not None:
            return self._save(user_input)
        return self.async_show_form(
            step_id="publishing",
            data_schema=self.add_suggested_values_to_schema(
                PUBLISH_SCHEMA,
                {CONF_PUBLISH: Publish.BALANCED, **self.config_entry.options},
            ),
        )

    def _save(self, answers: dict[str, Any]) -> ConfigFlowResult:
        """Keep the answers of one form, and those of the others."""
        return self.async_create_entry(data={**self.config_entry.options, **answers})

    async def async_step_tariff(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show all questions, with Norway's answers until others were given."""
        errors = {}
        if user_input is not None:
            if not _hours(user_input[CONF_FROM_HOUR], user_input[CONF_TO_HOUR]):
                errors[CONF_TO_HOUR] = "no_hours"
            else:
                return self._save(user_input)
        return self.async_show_form(
            step_id="tariff",
            data_schema=self.add_suggested_values_to_schema(
                SCHEMA, {**DEFAULTS, **self.config_entry.options, **(user_input or {})}
            ),
            errors=errors,
        )
