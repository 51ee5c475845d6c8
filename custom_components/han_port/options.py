"""What does only a person know? Asked in plain words, kept as options."""

from collections.abc import Mapping
from typing import Any

import probatio as vol

from homeassistant.config_entries import (
    ConfigEntryState,
    ConfigFlowResult,
    OptionsFlowWithReload,
)
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)

from .accounting import HOUR, QUARTER, FuseGuard, Grid, PeakRules
from .const import (
    CONF_DAYS,
    CONF_FROM_HOUR,
    CONF_FROM_MONTH,
    CONF_GRID,
    CONF_LENGTH,
    CONF_MAIN_FUSE,
    CONF_MULTIPLY_CURRENT,
    CONF_MULTIPLY_ENERGY,
    CONF_MULTIPLY_POWER,
    CONF_MULTIPLY_VOLTAGE,
    CONF_ONE_PER_DAY,
    CONF_PEAKS,
    CONF_PUBLISH,
    CONF_TO_HOUR,
    CONF_TO_MONTH,
    CONF_WEIGHT,
    CONF_WEIGHT_FROM_HOUR,
    CONF_WEIGHT_TO_HOUR,
)
from .protocol import Quantity
from .publishing import Publish
from .scaling import MULTIPLIERS, apparent_power

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
# Common main fuses in A; another may be entered
FUSES = ("16", "20", "25", "32", "35", "40", "50", "63", "80")
SMALLEST_FUSE, LARGEST_FUSE = 6, 1000
AUTO = "auto"
FUSE_SCHEMA = vol.Schema(
    {
        vol.Optional(CONF_MAIN_FUSE): SelectSelector(
            SelectSelectorConfig(
                options=list(FUSES), custom_value=True, mode=SelectSelectorMode.DROPDOWN
            )
        ),
        vol.Required(CONF_GRID, default=AUTO): SelectSelector(
            SelectSelectorConfig(
                options=[AUTO, *Grid],
                translation_key=CONF_GRID,
                mode=SelectSelectorMode.LIST,
            )
        ),
    }
)


# The value that stands for all that are multiplied alike, and its unit
SHOWN = {
    CONF_MULTIPLY_VOLTAGE: (Quantity.VOLTAGE_L1, "V"),
    CONF_MULTIPLY_CURRENT: (Quantity.CURRENT_L1, "A"),
    CONF_MULTIPLY_POWER: (Quantity.ACTIVE_POWER_IMPORT, "W"),
    CONF_MULTIPLY_ENERGY: (Quantity.ENERGY_IMPORT, "kWh"),
}
ACCURACY_SCHEMA = vol.Schema(
    {
        vol.Required(key): NumberSelector(
            NumberSelectorConfig(
                min=0.001, max=100_000, step="any", mode=NumberSelectorMode.BOX
            )
        )
        for key in MULTIPLIERS
    }
)


def preview(
    values: Mapping[str, float], now: Mapping[str, Any], then: Mapping[str, Any]
) -> dict[str, str]:
    """Say what values are with the multipliers of now, and what with others.

    Keys are those of the options, and those with `_then`.
    """
    texts = {}
    for key, (quantity, unit) in SHOWN.items():
        texts[key] = texts[f"{key}_then"] = "–"
        if (value := values.get(quantity)) is not None:
            after = value / now.get(key, 1) * then.get(key, 1)
            texts[key] = f"{round(value, 2):g} {unit}"
            texts[f"{key}_then"] = f"{round(after, 2):g} {unit}"
    texts["apparent"] = texts["apparent_then"] = "–"
    if apparent := apparent_power(values):
        after = apparent
        for key in (CONF_MULTIPLY_VOLTAGE, CONF_MULTIPLY_CURRENT):
            after *= then.get(key, 1) / now.get(key, 1)
        texts["apparent"] = f"{apparent:.0f} VA"
        texts["apparent_then"] = f"{after:.0f} VA"
    return texts


def fuse_guard(options: Mapping[str, Any]) -> FuseGuard | None:
    """Make what watches the main fuse; None if it was not said how large it is."""
    if (fuse := options.get(CONF_MAIN_FUSE)) is None:
        return None
    grid = options.get(CONF_GRID, AUTO)
    return FuseGuard(fuse, None if grid == AUTO else Grid(grid))


def _fuse(text: str) -> float | None:
    """Give the A that a person wrote, None if that is no size of a main fuse."""
    try:
        fuse = float(text.strip().lower().removesuffix("a").replace(",", "."))
    except ValueError:
        return None
    return fuse if SMALLEST_FUSE <= fuse <= LARGEST_FUSE else None


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
    """Ask for the grid company's rules, the main fuse, and how to show values."""

    _multipliers: dict[str, float]

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Let a person choose what to set."""
        return self.async_show_menu(
            menu_options=["tariff", "fuse", "publishing", "accuracy"]
        )

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

    async def async_step_accuracy(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask by how much to multiply what a meter behind transformers says."""
        if user_input is not None:
            self._multipliers = user_input
            return await self.async_step_preview()
        return self.async_show_form(
            step_id="accuracy",
            data_schema=self.add_suggested_values_to_schema(
                ACCURACY_SCHEMA,
                {**dict.fromkeys(MULTIPLIERS, 1), **self.config_entry.options},
            ),
        )

    async def async_step_preview(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show what values are now and what they will be, before it is saved."""
        if user_input is not None:
            return self._save(self._multipliers)
        entry = self.config_entry
        heard = entry.state is ConfigEntryState.LOADED
        return self.async_show_form(
            step_id="preview",
            data_schema=vol.Schema({}),
            description_placeholders=preview(
                entry.runtime_data.data if heard else {},
                entry.options,
                self._multipliers,
            ),
        )

    def _save(self, answers: dict[str, Any]) -> ConfigFlowResult:
        """Keep the answers of one form, and those of the others."""
        return self.async_create_entry(data={**self.config_entry.options, **answers})

    async def async_step_fuse(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask how large the main fuse is; without an answer it is not watched."""
        errors = {}
        shown = {**self.config_entry.options, **(user_input or {})}
        if user_input is not None:
            options = {**self.config_entry.options, **user_input}
            options.pop(CONF_MAIN_FUSE, None)
            text = user_input.get(CONF_MAIN_FUSE)
            if not text:
                return self.async_create_entry(data=options)
            if (fuse := _fuse(text)) is not None:
                return self.async_create_entry(data={**options, CONF_MAIN_FUSE: fuse})
            errors[CONF_MAIN_FUSE] = "no_fuse"
        elif CONF_MAIN_FUSE in shown:
            shown[CONF_MAIN_FUSE] = f"{shown[CONF_MAIN_FUSE]:g}"
        return self.async_show_form(
            step_id="fuse",
            data_schema=self.add_suggested_values_to_schema(FUSE_SCHEMA, shown),
            errors=errors,
        )

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
