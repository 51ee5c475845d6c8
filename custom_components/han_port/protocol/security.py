"""How a ciphered APDU is opened: general-glo-ciphering with AES-128-GCM.

    DB | 08 | system title | length | SC | invocation counter | ciphertext | tag

(DLMS UA Green Book ed. 9, clauses 9.2.7.2.4 and 9.3.10.) The length counts SC to the
end and comes in every A-XDR coding. Security control SC: bits 3 to 0 suite, 4 tag
present, 5 encrypted, 6 broadcast key, 7 compressed. The initialisation vector is title
and counter, the additional data SC and the authentication key, the tag 12 bytes.

Many people are given the encryption key alone, so the tag cannot always be checked; a
key is then proved by what it opens.
"""

import re
from typing import Final, NamedTuple

from . import p1
from .dlms import length_at
from .reading import ErrorCode, ProtocolError

GENERAL_GLO_CIPHERING: Final = 0xDB

# Sagemcom's P1 meters in Luxembourg and Styria send the bare APDU. In the middle of a
# frame of others these bytes may be found as well, so more than the tag must fit: the
# title, the length in two bytes, and SC 30.
_HEADER: Final = (
    rb"\x08",
    rb"S",
    rb"A",
    rb"G",
    *[rb"."] * 5,
    rb"\x82",
    rb".",
    rb".",
    rb"\x30",
)
# As much of the header as has come: at the end of the buffer the rest may yet follow.
START: Final = (
    rb"\xdb(?="
    + b"".join(rb"(?:\Z|" + byte for byte in _HEADER)
    + b")" * (len(_HEADER) + 1)
)
_STARTS: Final = re.compile(START, re.DOTALL)
_BARE_HEADER: Final = 1 + len(_HEADER)

_TAG_LENGTH: Final = 12
_KEY_LENGTH: Final = 16
_HAS_TAG: Final = 0x10
_ENCRYPTED: Final = 0x20
_COMPRESSED: Final = 0x80

# E-Meter P1 Specification of Luxmetering, 3.2.5. Real meters have been seen with others.
_LUXEMBOURG: Final = bytes.fromhex("00112233445566778899AABBCCDDEEFF")

# Invoke id, date-time in one of its codings, tag of a value (see `dlms`).
_NOTIFICATION: Final = re.compile(
    rb"\x0f.{4}\x09?(?:\x00|\x0c.{12}|\x19.{12})[\x00-\x06\x09\x0a\x0c\x0d\x0f-\x1b]",
    re.DOTALL,
)
_TELEGRAM: Final = re.compile(rb"/[A-Za-z]{3}")
_LINES: Final = re.compile(rb"\d{1,3}-\d{1,3}:")


def parse_key(text: str) -> bytes | None:
    """Read a key of 16 bytes from the hex text people are given; None if it is none.

    Takes any case, a leading 0x, and blanks, colons and dashes between the digits.
    """
    digits = re.sub(r"[\s:-]", "", text)
    if re.fullmatch(r"(0[xX])?[0-9A-Fa-f]{32}", digits, re.ASCII) is None:
        return None
    return bytes.fromhex(digits[-2 * _KEY_LENGTH :])


class BareApdu(NamedTuple):
    """A ciphered APDU on the wire by itself: index after it, its bytes."""

    end: int
    payload: bytes


def parse(buffer: bytes | bytearray, start: int) -> BareApdu | int:
    """Read the ciphered P1 telegram whose DB is at `start`.

    Gives it, or how many bytes from `start` on it takes to say more. Raises
    ProtocolError CRC when none starts here.
    """
    available = len(buffer) - start
    if available < _BARE_HEADER:
        return _BARE_HEADER
    at = start + _BARE_HEADER
    length = int.from_bytes(buffer[at - 3 : at - 1]) + _BARE_HEADER - 1
    if not _STARTS.match(buffer, start) or not _BARE_HEADER < length <= p1.LONGEST:
        raise ProtocolError(
            ErrorCode.CRC, "no ciphered telegram", length=1, claim=p1.LONGEST
        )
    if available < length:
        return length
    end = start + length
    return BareApdu(end, bytes(buffer[start:end]))


def unseal(
    apdu: bytes, encryption_key: bytes | None, authentication_key: bytes | None
) -> bytes:
    """Open a general-glo-ciphering APDU; give the APDU, or the telegram, inside.

    Raises ProtocolError: NO_KEY or WRONG_KEY with the system title, CRC where a
    telegram came out damaged, TRUNCATED, UNSUPPORTED.
    """
    sealed = _split(apdu[1:])
    plaintext, authentic = _decipher(sealed, encryption_key, authentication_key)
    if _TELEGRAM.match(plaintext):
        # Not framed by anything, so damage and a wrong key look alike but for this.
        telegram = p1.parse(plaintext + b"\r\n", 0)
        if not isinstance(telegram, p1.P1Telegram):
            raise ProtocolError(ErrorCode.TRUNCATED, "the telegram has no end")
        plaintext = telegram.payload
    elif authentic is not True and not _NOTIFICATION.match(plaintext):
        raise _wrong("the encryption key does not open the message", sealed)
    if authentic is False:
        raise _wrong("the authentication key does not fit the message", sealed)
    return plaintext


def unseal_telegram(
    telegram: bytes, encryption_key: bytes | None, authentication_key: bytes | None
) -> bytes:
    """Open the lines of a telegram where they are enciphered, as in Poland.

    Takes the payload of `p1.parse` and gives it with plain lines. They come without DB
    and title; the checksum, passed already, is that of the enciphered telegram. Errors
    as in `unseal`.
    """
    head, part = p1.sealed_part(telegram)
    if not part:
        return telegram
    sealed = _split(part)
    lines, authentic = _decipher(sealed, encryption_key, authentication_key)
    if not _LINES.match(lines):
        raise _wrong("the encryption key does not open the telegram", sealed)
    if authentic is False:
        raise _wrong("the authentication key does not fit the telegram", sealed)
    return head + lines + p1.END


class _Sealed(NamedTuple):
    title: bytes
    control: int
    counter: bytes
    ciphertext: bytes
    tag: bytes


def _wrong(detail: str, sealed: _Sealed) -> ProtocolError:
    return ProtocolError(ErrorCode.WRONG_KEY, detail, system_title=sealed.title)


def _split(data: bytes) -> _Sealed:
    """Take apart what begins with the length of the system title."""
    size, at = length_at(data, 0)
    title = data[at : at + size]
    length, at = length_at(data, at + size)
    content = data[at:]
    if len(content) != length or size not in (0, 8):
        code = ErrorCode.TRUNCATED if len(content) < length else ErrorCode.UNSUPPORTED
        raise ProtocolError(
            code, "the ciphered APDU is not as long as it says", system_title=title
        )
    tag = _TAG_LENGTH if content[:1] and content[0] & _HAS_TAG else 0
    if length < 5 + tag:
        raise ProtocolError(ErrorCode.UNSUPPORTED, "the ciphered APDU is empty")
    control = content[0]
    if control & _COMPRESSED or control & 0x0F > 1:
        raise ProtocolError(
            ErrorCode.UNSUPPORTED,
            f"security control {control:02X}",
            system_title=title,
        )
    end = length - tag
    return _Sealed(title, control, content[1:5], content[5:end], content[end:])


def _decipher(
    sealed: _Sealed, encryption_key: bytes | None, authentication_key: bytes | None
) -> tuple[bytes, bool | None]:
    """Give the plaintext, and whether its tag was found right; None if unknown."""
    if not sealed.control & _ENCRYPTED:
        # There is no key to prove.
        return sealed.ciphertext, True
    if encryption_key is None:
        raise ProtocolError(
            ErrorCode.NO_KEY,
            "the message is encrypted and there is no key",
            system_title=sealed.title,
        )
    # Imported where it is needed: reading plain messages starts a good deal faster.
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers import Cipher  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.algorithms import AES  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.modes import CTR, GCM  # noqa: PLC0415

    algorithm = AES(encryption_key)
    vector = sealed.title.ljust(8, b"\0") + sealed.counter
    if sealed.tag:
        opener = Cipher(algorithm, GCM(vector, sealed.tag, _TAG_LENGTH)).decryptor()
        opener.authenticate_additional_data(
            bytes((sealed.control,)) + (authentication_key or _LUXEMBOURG)
        )
        plaintext = opener.update(sealed.ciphertext)
        try:
            opener.finalize()
        except InvalidTag:
            return plaintext, None if authentication_key is None else False
        return plaintext, True
    # GCM counts its blocks from 2, block 1 being for the tag (NIST SP 800-38D, 7.1).
    counter = vector + (2).to_bytes(4)
    return Cipher(algorithm, CTR(counter)).decryptor().update(sealed.ciphertext), None
