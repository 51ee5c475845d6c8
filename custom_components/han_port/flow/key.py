"""Which key opens what the meter sends?"""

from collections.abc import Mapping
from typing import Any

import probatio as vol

from homeassistant.config_entries import (
    SOURCE_REAUTH,
    ConfigEntryState,
    ConfigFlowResult,
)

from ..const import CONF_AUTHENTICATION_KEY, CONF_ENCRYPTION_KEY, KEYS
from ..coordinator import make_decoder
from ..protocol import ErrorCode, MeterReading, ProtocolError, maker, parse_key
from .steps import Steps, keys_of

KEY_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_ENCRYPTION_KEY): str,
        vol.Optional(CONF_AUTHENTICATION_KEY): str,
    }
)


class KeySteps(Steps):
    """Ask for the keys, and try them on what was heard."""

    async def async_step_reauth(
        self, entry_data: Mapping[str, Any]
    ) -> ConfigFlowResult:
        """Ask for new keys for a meter whose messages the present ones do not open."""
        entry = self._get_reauth_entry()
        self._keys = keys_of(entry_data)
        if entry.state is ConfigEntryState.LOADED:
            self._heard.sealed = entry.runtime_data.sealed
        return await self.async_step_key()

    async def async_step_key(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the keys of a meter that enciphers, and try them at once."""
        if user_input is None:
            errors = self._wrong(self._keys) if self._keys else {}
        elif not (errors := self._try_keys(user_input)):
            if self.source == SOURCE_REAUTH:
                entry = self._get_reauth_entry()
                return self.async_update_reload_and_abort(
                    entry, data=self._with_keys(entry)
                )
            return await self.async_step_listen()
        result = self._heard.sealed.result if self._heard.sealed else None
        sender = result.system_title if isinstance(result, ProtocolError) else b""
        return self.async_show_form(
            step_id="key",
            data_schema=self.add_suggested_values_to_schema(KEY_SCHEMA, user_input),
            errors=errors,
            description_placeholders={"manufacturer": maker(sender) or "–"},
        )

    def _try_keys(self, user_input: dict[str, Any]) -> dict[str, str]:
        """Keep the keys if they open the last message; return what is wrong with them."""
        keys: dict[str, str] = {}
        errors: dict[str, str] = {}
        for name in KEYS:
            text = user_input.get(name, "").strip()
            if name == CONF_AUTHENTICATION_KEY and not text:
                continue
            if (key := parse_key(text)) is None:
                errors[name] = "invalid_key"
            else:
                keys[name] = key.hex()
        errors = errors or self._wrong(keys)
        if not errors:
            self._keys = keys
        return errors

    def _wrong(self, keys: dict[str, str]) -> dict[str, str]:
        """Say which of the keys does not open the last message."""
        if self._opens(keys):
            return {}
        if self._opens({CONF_ENCRYPTION_KEY: keys[CONF_ENCRYPTION_KEY]}):
            return {CONF_AUTHENTICATION_KEY: "wrong_authentication_key"}
        return {CONF_ENCRYPTION_KEY: "wrong_encryption_key"}

    def _opens(self, keys: dict[str, str]) -> bool:
        """Say whether the keys open the last sealed message; they do if there is none."""
        if self._heard.sealed is None:
            return True
        return any(
            isinstance(outcome.result, MeterReading)
            or outcome.result.code is ErrorCode.UNSUPPORTED
            for outcome in make_decoder(keys).decode(self._heard.sealed.frame)
        )
