"""Which names are shared?"""

DOMAIN = "han_port"

# entry.data, beside homeassistant.const.CONF_DEVICE
CONF_MANUFACTURER = "manufacturer"
CONF_METER_ID = "meter_id"
CONF_METER_TYPE = "meter_type"
CONF_QUANTITIES = "quantities"
CONF_SUBMETERS = "submeters"

# Import minus export: derived, so no Quantity of the protocol
NET_POWER = "net_power"
