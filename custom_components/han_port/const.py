"""Which names are shared?"""

DOMAIN = "han_port"

# entry.data, beside homeassistant.const.CONF_DEVICE
CONF_LINE = "line"
CONF_MANUFACTURER = "manufacturer"
CONF_METER_ID = "meter_id"
CONF_METER_TYPE = "meter_type"
CONF_QUANTITIES = "quantities"
CONF_SUBMETERS = "submeters"
# Entities of other integrations until they have changed hands, and what was until a
# person has confirmed it
CONF_MOVE = "move"
CONF_MOVED = "moved"

# And where the meter enciphers, as hex; named as the decoder's arguments
CONF_ENCRYPTION_KEY = "encryption_key"
CONF_AUTHENTICATION_KEY = "authentication_key"
KEYS = (CONF_ENCRYPTION_KEY, CONF_AUTHENTICATION_KEY)

# Import minus export: derived, so no Quantity of the protocol
NET_POWER = "net_power"

# entry.options: what the grid company counts (options.py)
CONF_PEAKS = "peaks"
CONF_ONE_PER_DAY = "one_per_day"
CONF_LENGTH = "length"
CONF_DAYS = "days"
CONF_FROM_HOUR = "from_hour"
CONF_TO_HOUR = "to_hour"
CONF_FROM_MONTH = "from_month"
CONF_TO_MONTH = "to_month"
CONF_WEIGHT = "weight"
CONF_WEIGHT_FROM_HOUR = "weight_from_hour"
CONF_WEIGHT_TO_HOUR = "weight_to_hour"

# How often values are shown (publishing.py)
CONF_PUBLISH = "publish"
# What a meter behind transformers says is multiplied by these (scaling.py)
CONF_MULTIPLY_CURRENT = "multiply_current"
CONF_MULTIPLY_ENERGY = "multiply_energy"
CONF_MULTIPLY_POWER = "multiply_power"
CONF_MULTIPLY_VOLTAGE = "multiply_voltage"
# The main fuse in A, not there if it is not watched, and the grid, "auto" to detect it
CONF_MAIN_FUSE = "main_fuse"
CONF_GRID = "grid"
