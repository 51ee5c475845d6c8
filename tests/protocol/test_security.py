"""How is a ciphered APDU opened, and what if the key does not fit?"""

import re
import subprocess
import sys

from hypothesis import given, strategies as st
import pytest

from custom_components.han_port.protocol import (
    ErrorCode,
    MeterReading,
    Outcome,
    ProtocolError,
    Quantity,
    decode,
    maker,
)
from custom_components.han_port.protocol.p1 import LONGEST
from custom_components.han_port.protocol.security import (
    START,
    BareApdu,
    parse,
    parse_key,
    unseal,
    unseal_telegram,
)

from . import vectors
from .build import blocks, hdlc, length, notification, register, structure, u32
from .check import (
    codes,
    comparable,
    readings,
    stream,
    the_error,
    the_reading,
    three_ways,
)
from .wrap import AUTHENTICATION_KEY, KEY, encipher, mbus, seal, telegram, text

Q = Quantity

APDU = notification(structure(register("1-0:1.7.0", u32(1055), 0, 0x1B)))
LINES = [
    "1-3:0.2.8(50)",
    "0-0:1.0.0(221006155014S)",
    "1-0:1.8.0(006545766*Wh)",
    "1-0:1.7.0(000000286*W)",
    *(f"1-0:{code}.7.0(000000000*W)" for code in (2, 21, 22, 41, 42, 61, 62)),
]
STYRIAN = telegram(LINES, "EST5\\253710000_A")
SAGEMCOM = b"SAG5\0\0\0\1"
LUXEMBOURG = bytes.fromhex("00112233445566778899AABBCCDDEEFF")


def refuse(apdu: bytes, *keys: bytes | None) -> ProtocolError:
    """Give why an APDU is not opened."""
    with pytest.raises(ProtocolError) as caught:
        unseal(apdu, *(keys or (KEY, AUTHENTICATION_KEY)))
    return caught.value


# --- Vectors of documents ---


def test_green_book() -> None:
    """The example of the Green Book for encrypted and authenticated APDUs."""
    title = bytes.fromhex("4D4D4D0000BC614E")
    content = bytes.fromhex(
        "3001234567411312FF935A47566827C467BC7D825C3BE4A77C3FCC056B6B"
    )
    apdu = b"\xdb\x08" + title + length(len(content)) + content
    plaintext = bytes.fromhex("C0010000080000010000FF0200")
    assert unseal(apdu, KEY, AUTHENTICATION_KEY) == plaintext
    # Without the tag it is no proof that a request of a client came out
    assert refuse(apdu, KEY, None).code is ErrorCode.WRONG_KEY
    assert refuse(apdu, KEY, KEY).code is ErrorCode.WRONG_KEY


@pytest.mark.parametrize("authentication_key", [b"MYDUMMYGLOBALKEY", None])
def test_notification_vector(authentication_key: bytes | None) -> None:
    """A published general-glo-ciphering APDU of suite 0, with and without its tag."""
    apdu = bytes.fromhex(
        "DB082F192291991641033B30000001E5025CE9D2271FD78BE8C204211A916A9D7F587E0A7A81"
        "4CADEA89E9593F01F92EA8C087B5BDFDEFEAB6BECF282DFE49C08F5BE6DC8400"
    )
    plaintext = bytes.fromhex(
        "0F000001DB000922125A8591360000000049000000110000000A5A8513D014800000000D0000"
        "000A0100"
    )
    assert unseal(apdu, b"MYDUMMYGLOBALKEY", authentication_key) == plaintext


def test_netz_noe() -> None:
    """The brochure of Netz Niederösterreich: encrypted only, security control 20."""
    frames = vectors.EVN_SEALED
    apdu = frames[9:254] + frames[265:-2]
    key = bytes.fromhex("36C66639E48A8CA4D6BC8B282A793BBB")
    assert unseal(apdu, key, None) == vectors.EVN_PLAIN
    error = refuse(apdu, None, None)
    assert error.code is ErrorCode.NO_KEY
    assert error.system_title == b"KFMgP\0\0\x09"
    error = refuse(apdu, KEY, None)
    assert error.code is ErrorCode.WRONG_KEY
    assert error.system_title == b"KFMgP\0\0\x09"


# --- What frames it ---


@pytest.mark.parametrize(
    "wrapped",
    [
        hdlc(b"\xe6\xe7\x00" + seal(APDU)),
        mbus(seal(APDU)),
        b"".join(
            hdlc((b"" if number else b"\xe6\xe7\x00") + block)
            for number, block in enumerate(blocks(seal(APDU), 30))
        ),
    ],
    ids=["hdlc", "mbus", "blocks"],
)
def test_framed(wrapped: bytes) -> None:
    """Every framing may hold a ciphered APDU; the title's letters name the maker."""
    reading = three_ways(
        wrapped, encryption_key=KEY, authentication_key=AUTHENTICATION_KEY
    )
    assert reading.values == {Q.ACTIVE_POWER_IMPORT: 1055}
    assert reading.meter.flag_id == "KAM"
    assert the_reading(stream([wrapped], encryption_key=KEY)) == reading
    assert the_error(stream([wrapped])).code is ErrorCode.NO_KEY


def test_bare() -> None:
    """An APDU that came by itself is opened without any framing."""
    reading = the_reading(decode(seal(APDU), encryption_key=KEY))
    assert reading.values == {Q.ACTIVE_POWER_IMPORT: 1055}
    assert the_error(decode(seal(APDU))).code is ErrorCode.NO_KEY


@pytest.mark.parametrize(
    ("authentication_key", "own"),
    [
        (AUTHENTICATION_KEY, AUTHENTICATION_KEY),
        (AUTHENTICATION_KEY, None),
        (LUXEMBOURG, None),
    ],
)
def test_telegram_inside(authentication_key: bytes, own: bytes | None) -> None:
    """Luxembourg and Styria encipher a whole telegram and send it without a frame."""
    sealed = seal(
        STYRIAN + b"\r\n", title=SAGEMCOM, authentication_key=authentication_key
    )
    reading = three_ways(sealed, encryption_key=KEY, authentication_key=own)
    assert reading == the_reading(decode(STYRIAN))
    assert the_reading(decode(sealed, encryption_key=KEY)) == reading
    assert the_reading(decode(sealed.hex().encode(), encryption_key=KEY)) == reading
    (outcome,) = stream([sealed])
    assert isinstance(outcome.result, ProtocolError)
    assert outcome.result.code is ErrorCode.NO_KEY
    assert outcome.result.system_title == SAGEMCOM
    assert the_error(stream([sealed], encryption_key=LUXEMBOURG)).code is (
        ErrorCode.WRONG_KEY
    )
    error = the_error(stream([sealed], encryption_key=KEY, authentication_key=KEY))
    assert error.code is ErrorCode.WRONG_KEY
    assert "authentication" in error.detail


def test_luxembourg() -> None:
    """Without an authentication key that of Luxembourg is tried, as all meters have it."""
    apdu = seal(b"\xc0\1", authentication_key=LUXEMBOURG)
    assert unseal(apdu, KEY, None) == b"\xc0\1"
    assert refuse(apdu, KEY, KEY).code is ErrorCode.WRONG_KEY


def test_telegram_damaged() -> None:
    """Damage under the right keys is no wrong key, and costs one telegram."""
    keys = {"encryption_key": KEY, "authentication_key": AUTHENTICATION_KEY}
    sealed = seal(STYRIAN, title=SAGEMCOM)
    for place in range(25, len(sealed) - 12, 7):
        bad = sealed[:place] + bytes((sealed[place] ^ 1,)) + sealed[place + 1 :]
        damaged = {ErrorCode.CRC, ErrorCode.TRUNCATED}
        assert the_error(stream([bad], **keys)).code in damaged
        assert the_error(stream([bad], encryption_key=KEY)).code in damaged
        short = sealed[:place] + sealed[place + 1 :]
        outcomes = stream([short + sealed + sealed], **keys)
        assert readings(outcomes)[-1:] == readings(stream([sealed], **keys))
    cut = seal(STYRIAN[:-5], title=SAGEMCOM)
    assert the_error(stream([cut], **keys)).code is ErrorCode.TRUNCATED


def test_false_starts() -> None:
    """What begins like a bare telegram, over and over, does not flood."""
    assert stream([b"\xdb\x08SAG" * 1000 + b"0" * 20]) == []
    claims = (b"\xdb\x08" + SAGEMCOM + b"\x82\xff\xff\x30") * 1000
    assert codes(stream([claims])) == [ErrorCode.CRC] * 2


def test_notification_without_frame() -> None:
    """A notification found outside a frame has no checksum, and gives no value."""
    big = notification(structure(*[register("1-0:1.7.0", u32(9), 0, 0x1B)] * 15))
    sealed = seal(big, title=SAGEMCOM)
    assert sealed[10:11] == b"\x82"
    assert codes(stream([sealed], encryption_key=KEY)) == [ErrorCode.CRC]
    assert len(readings(decode(sealed, encryption_key=KEY))) == 1


def test_start() -> None:
    """A bare telegram begins with DB, the title of Sagemcom, two bytes of length, 30."""
    pattern = re.compile(START, re.DOTALL)
    sealed = seal(STYRIAN, title=SAGEMCOM)
    assert parse(b"0" + sealed + b"0", 1) == BareApdu(len(sealed) + 1, sealed)
    for end in range(1, len(sealed)):
        assert pattern.match(sealed[:end]) is not None
        assert parse(sealed[:end], 0) == (14 if end < 14 else len(sealed))
    assert pattern.match(seal(STYRIAN)) is None
    head = b"\xdb\x08" + SAGEMCOM
    for wrong in (
        b"\x81\xff\x00\x30",
        b"\x82\x01\x00\x20",
        b"\x82\xff\xff\x30",
        b"\x82\0\0\x30",
    ):
        with pytest.raises(ProtocolError) as caught:
            parse(head + wrong + bytes(300), 0)
        assert caught.value.code is ErrorCode.CRC
    longest = b"\x82" + (LONGEST - 13).to_bytes(2) + b"\x30"
    assert parse(head + longest, 0) == LONGEST


# --- Header ---


@pytest.mark.parametrize("coding", ["81", "82", "83", "84"])
def test_length_codings(coding: str) -> None:
    """The length comes in every coding, needlessly long as well."""
    content = encipher(APDU)
    size = len(content).to_bytes(int(coding) - 80)
    apdu = b"\xdb\x08KAM\x45\0\0\0\1" + bytes.fromhex(coding) + size + content
    assert unseal(apdu, KEY, AUTHENTICATION_KEY) == APDU


@pytest.mark.parametrize("control", [0x20, 0x21, 0x30, 0x31, 0x60, 0x70])
def test_security_control(control: int) -> None:
    """Suites 0 and 1, unicast and broadcast key, with and without a tag."""
    apdu = seal(APDU, control=control)
    assert unseal(apdu, KEY, AUTHENTICATION_KEY) == APDU
    assert unseal(apdu, KEY, None) == APDU
    assert refuse(apdu, AUTHENTICATION_KEY, None).code is ErrorCode.WRONG_KEY
    assert refuse(apdu, None, None).code is ErrorCode.NO_KEY
    if control & 0x10:
        assert "authentication" in refuse(apdu, KEY, KEY).detail


@pytest.mark.parametrize("control", [0x32, 0xA0, 0xB0, 0x2F])
def test_unknown_security(control: int) -> None:
    """Other suites and compression are not read."""
    error = refuse(seal(APDU, control=control))
    assert error.code is ErrorCode.UNSUPPORTED
    assert f"{control:02X}" in error.detail


@pytest.mark.parametrize("control", [0x00, 0x10])
def test_not_encrypted(control: int) -> None:
    """What is not encrypted needs no key."""
    content = bytes((control, 0, 0, 0, 1)) + APDU + bytes(12 if control else 0)
    apdu = b"\xdb\x08KAM\x45\0\0\0\1" + length(len(content)) + content
    assert unseal(apdu, None, None) == APDU
    assert the_reading(decode(apdu)).values == {Q.ACTIVE_POWER_IMPORT: 1055}


def test_lengths() -> None:
    """An APDU must be as long as it says."""
    apdu = seal(APDU)
    for end in range(1, len(apdu)):
        assert refuse(apdu[:end]).code is ErrorCode.TRUNCATED
    assert refuse(apdu + b"\0").code is ErrorCode.UNSUPPORTED
    for content in (b"", b"\x20", b"\x20\0\0\0", b"\x30" + bytes(15)):
        head = b"\xdb\x08KAM\x45\0\0\0\1" + length(len(content))
        assert refuse(head + content).code is ErrorCode.UNSUPPORTED
    seven = b"\xdb\x07KAM\x45\0\0\1" + length(len(encipher(APDU))) + encipher(APDU)
    assert refuse(seven).code is ErrorCode.UNSUPPORTED


@pytest.mark.parametrize(
    "opened",
    [
        b"\x0f\0\0\0\0\0\x02\x01",
        b"\x0f\0\0\0\0\x0c" + bytes(12) + b"\x01\x01",
        b"\x0f\0\0\0\0\x09\x0c" + bytes(12) + b"\x02\x01",
        b"\x0f\0\0\0\0\x19" + bytes(12) + b"\x02\x01",
    ],
)
def test_opens(opened: bytes) -> None:
    """Without its tag a plaintext must open as a notification, in any coding of time."""
    assert unseal(seal(opened, control=0x20), KEY, None) == opened


@pytest.mark.parametrize(
    "closed",
    [
        b"",
        b"\x0f",
        b"\x0f\0\0\0\0\x0d",
        b"\x0f\0\0\0\0\0\x55",
        b"\xc0\1",
        b"/12",
        APDU[1:],
    ],
)
def test_does_not_open(closed: bytes) -> None:
    """Anything else is what a wrong key gives."""
    assert refuse(seal(closed, control=0x20), KEY, None).code is ErrorCode.WRONG_KEY
    # With its tag there is no doubt of the key
    assert unseal(seal(closed), KEY, AUTHENTICATION_KEY) == closed


@given(st.binary(min_size=16, max_size=16), st.booleans())
def test_wrong_key(key: bytes, authenticated: bool) -> None:
    """No key but the right one opens anything."""
    apdu = seal(APDU, control=0x30 if authenticated else 0x20)
    if key != KEY:
        assert refuse(apdu, key, None).code is ErrorCode.WRONG_KEY
        assert refuse(apdu, key, key).code is ErrorCode.WRONG_KEY


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    """Whatever follows DB is an error, not an exception."""
    for keys in ((None, None), (KEY, None), (KEY, AUTHENTICATION_KEY)):
        for apdu in (b"\xdb" + data, b"\xdb\x08KAM\x45\0\0\0\1" + data):
            result = decode(apdu, encryption_key=keys[0], authentication_key=keys[1])
            assert not any(isinstance(out.result, MeterReading) for out in result)


def test_plain_telegram() -> None:
    """A telegram that is not enciphered needs no key and is left as it is."""
    plain = text(LINES)
    assert unseal_telegram(plain, None, None) is plain


def test_outcome_frame() -> None:
    """What is handed out is what was on the wire, still enciphered, and beside it what was in it."""
    frame = hdlc(b"\xe6\xe7\x00" + seal(APDU))
    outcomes = stream([frame], encryption_key=KEY)
    assert outcomes == [Outcome(0, frame, the_reading(outcomes), APDU)]
    assert comparable(stream([frame], encryption_key=KEY)) == comparable(outcomes)


def test_imported_late() -> None:
    """Cryptography, slow to import, waits until something is enciphered."""
    program = (
        "import sys, types; package = types.ModuleType('han_port');"
        "package.__path__ = ['custom_components/han_port'];"
        "sys.modules['han_port'] = package;"
        "from han_port.protocol import decode; decode(b'/KAM5');"
        "assert 'cryptography' not in sys.modules"
    )
    subprocess.run([sys.executable, "-I", "-c", program], check=True)


# --- Keys as people are given them ---


@pytest.mark.parametrize(
    "given",
    [
        KEY.hex(),
        KEY.hex().upper(),
        f"0x{KEY.hex()}",
        f"  0X{KEY.hex()}\n",
        KEY.hex(" "),
        KEY.hex(":"),
        KEY.hex("-", 4),
    ],
)
def test_key_spellings(given: str) -> None:
    """A key is the same in every spelling that grid companies use."""
    assert parse_key(given) == KEY


@pytest.mark.parametrize(
    "given", ["", "0x", KEY.hex()[:-1], KEY.hex() + "00", "zz" * 16, "\u0661" * 32]
)
def test_key_that_is_none(given: str) -> None:
    """Anything but 32 hexadecimal digits is no key."""
    assert parse_key(given) is None


@pytest.mark.parametrize(
    ("title", "name"),
    [
        (SAGEMCOM, "Sagemcom"),
        (b"KAME\0\0\0\1", "Kamstrup"),
        (b"", None),
        (b"XXX5", None),
    ],
)
def test_maker(title: bytes, name: str | None) -> None:
    """The first three letters of a system title name the maker."""
    assert maker(title) == name
