"""What is wrong for so long that a person has to know?"""

from collections import deque
from datetime import datetime, timedelta

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_track_time_interval

from .const import CONF_METER_ID, DOMAIN
from .coordinator import LINK, HanPortCoordinator
from .diagnosis import Diagnosis
from .protocol import Meter

# Seconds between two looks, until silence is a matter for a person, and for which the
# link counts as open: a silent one is closed and opened again about every three minutes.
LOOK = 60
LASTS = 600
OPEN = 300

OTHER_METER = "other_meter"
COUNTER_DISPUTED = "counter_disputed"
POWER_AND_CURRENT = "power_and_current"
# What may be wrong while the meter is heard
_OF_VALUES = frozenset({COUNTER_DISPUTED, POWER_AND_CURRENT})

# What is heard again and again says more than that at times there is nothing.
_SAYS_LITTLE = (Diagnosis.NOTHING_RECEIVED, Diagnosis.CLOSED)


class Watch:
    """Looks at one meter now and then, and keeps its issues in step with what it sees.

    `look` takes the time in seconds on any clock that goes on.
    """

    def __init__(self, hass: HomeAssistant, coordinator: HanPortCoordinator) -> None:
        """Begin with a link that was just opened, and nothing wrong."""
        self._hass = hass
        self._coordinator = coordinator
        self._silent_since: float | None = None
        self._opened = 0.0
        self._connects = 0
        self._found: deque[str] = deque(maxlen=LASTS // LOOK)
        self._shown: set[str] = set()

    @callback
    def look(self, now: float) -> None:
        """Open and close issues."""
        coordinator = self._coordinator
        if coordinator.connected:
            self.heal()
        else:
            self._listen(now)
        if coordinator.account.disputed:
            self._show(COUNTER_DISPUTED)
        else:
            self._clear(COUNTER_DISPUTED)
        check = coordinator.power_check
        if check.times is not None:
            self._show(
                POWER_AND_CURRENT,
                times=str(check.times),
                apparent=f"{check.apparent:.0f}",
                power=f"{check.power:.0f}",
            )
        else:
            self._clear(POWER_AND_CURRENT)

    @callback
    def heal(self) -> None:
        """Forget the silence: the meter was heard."""
        self._silent_since = None
        self._found.clear()
        self._clear(*self._shown - _OF_VALUES)

    @callback
    def clear(self) -> None:
        """Close all issues: nobody looks any more."""
        self._clear(*self._shown)

    def _listen(self, now: float) -> None:
        """Take what is heard instead of the meter; show it when it lasts.

        A lost link alone is none of it: that is seen in the entities, and comes back.
        """
        if self._silent_since is None:
            self._silent_since = now
        if self._connects != (connects := self._coordinator.counters["connects"]):
            self._connects, self._opened = connects, now
        if now - self._opened > OPEN:
            return
        if (found := self._heard()) is not None:
            self._found.append(found)
        if now - self._silent_since < LASTS or not self._found:
            return
        telling = [each for each in self._found if each not in _SAYS_LITTLE]
        found = max(telling or self._found, key=(telling or self._found).count)
        self._clear(*self._shown - _OF_VALUES - {found})
        # The flow that asks for the key is there already.
        if found != Diagnosis.ENCRYPTED:
            self._show(found)

    def _heard(self) -> str | None:
        """Name what is wrong on the present connection, as far as it can be told."""
        own = self._coordinator.config_entry.data[CONF_METER_ID]
        heard = self._coordinator.heard
        if own is not None and heard.meter is not None and heard.meter.id is not None:
            if own not in (heard.meter.id, heard.meter.id_alt):
                return OTHER_METER
        return heard.diagnosis

    def _show(self, key: str, **placeholders: str) -> None:
        """Open an issue, once."""
        if key in self._shown:
            return
        self._shown.add(key)
        coordinator = self._coordinator
        entry, meter = coordinator.config_entry, coordinator.heard.meter or Meter()
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            f"{key}_{entry.entry_id}",
            is_fixable=True,
            severity=ir.IssueSeverity.WARNING,
            translation_key=key,
            translation_placeholders={
                "entry": entry.title,
                "device": coordinator.device,
                "found": meter.id or "–",
                "expected": entry.data[CONF_METER_ID] or "–",
                **placeholders,
            },
            data={
                "entry_id": entry.entry_id,
                # What another meter is, for when it takes the place of ours
                "id": meter.id,
                "manufacturer": meter.manufacturer,
                "type": meter.type,
            },
        )

    def _clear(self, *keys: str) -> None:
        for key in keys:
            self._shown.discard(key)
            issue_id = f"{key}_{self._coordinator.config_entry.entry_id}"
            ir.async_delete_issue(self._hass, DOMAIN, issue_id)


@callback
def async_watch(hass: HomeAssistant, coordinator: HanPortCoordinator) -> None:
    """Watch a meter until its entry is unloaded."""
    entry = coordinator.config_entry
    watch = Watch(hass, coordinator)

    @callback
    def look(now: datetime) -> None:
        watch.look(hass.loop.time())

    @callback
    def updated() -> None:
        if coordinator.connected:
            watch.heal()

    look(datetime.min)
    entry.async_on_unload(
        async_track_time_interval(
            hass, look, timedelta(seconds=LOOK), cancel_on_shutdown=True
        )
    )
    entry.async_on_unload(coordinator.async_add_listener(updated, LINK))
    entry.async_on_unload(watch.clear)
