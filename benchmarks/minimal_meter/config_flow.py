"""Home Assistant sets up no entry of a domain without a flow; nobody runs this one."""

from homeassistant.config_entries import ConfigFlow

DOMAIN = "minimal_meter"


class MinimalFlow(ConfigFlow, domain=DOMAIN):
    """A flow without steps."""
