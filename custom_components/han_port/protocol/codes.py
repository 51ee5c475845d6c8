"""Which codes are in a message that nothing is made of?"""

import re
from typing import Final

from . import lists, obis, telegram

# An octet string of six octets, the way lists name a value (COSEM tag 9). One of an older
# billing period ends otherwise, as do numbers that only look like it.
_IN_LIST: Final = re.compile(rb"\x09\x06([\x00\x01].{4}\xff)", re.DOTALL)
_IN_TELEGRAM: Final = re.compile(
    rb"^([0-9]{1,3}-[0-9]{1,3}:[0-9.]{5,11}(?:\*[0-9]{1,3})?)\(", re.MULTILINE
)
# Of submeters: kind, id, volume, valve
_OF_SUBMETERS: Final = re.compile(r"0-[1-9][0-9]?:(?:24|96\.1)\.")
_CLOCKS: Final = frozenset({"0-0:1.0.0", "0-1:1.0.0"})


def unknown_codes(message: bytes) -> list[str]:
    """Name the codes of an intact message, not enciphered, that are not known, in order.

    The message may have its frame around it. Meters that send no codes have none.
    """
    if message[:1] == b"/":
        texts = [
            each.decode("ascii").removesuffix("*255")
            for each in _IN_TELEGRAM.findall(message)
        ]
    else:
        texts = [obis.text(each) for each in _IN_LIST.findall(message)]
    return [each for each in dict.fromkeys(texts) if not _is_known(each)]


def _is_known(text: str) -> bool:
    code = obis.parse(text)
    return (
        code is None
        or obis.quantity(code) is not None
        or code in lists.IDENTITY
        or text in telegram.FURTHER_CODES
        or text in _CLOCKS
        or _OF_SUBMETERS.match(text) is not None
    )
