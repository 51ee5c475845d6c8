"""How do the parts of a message become whole again?"""

from hypothesis import given, strategies as st

from custom_components.han_port.protocol import ErrorCode, ProtocolError
from custom_components.han_port.protocol.joiner import Joined, Joiner


def add(
    joiner: Joiner, part: int, *, final: bool, payload: bytes = b"x"
) -> list[object]:
    """Add a part whose frame is its payload in brackets; give payloads or codes."""
    joined = joiner.add(
        part, payload, final=final, offset=10 * part, frame=b"[" + payload + b"]"
    )
    return [plain(message) for message in joined]


def plain(joined: Joined) -> object:
    """Give the payload of a message, or the code of what was wrong with it."""
    if isinstance(joined.payload, ProtocolError):
        return joined.payload.code
    return joined.payload


def test_whole() -> None:
    """The parts of a message are put together, its frames too, from where it began."""
    joiner = Joiner()
    joined = []
    for part, payload in enumerate((b"a", b"b", b"c")):
        assert joiner.expected == part
        joined += joiner.add(
            part, payload, final=payload == b"c", offset=7 + part, frame=payload.upper()
        )
    assert joined == [Joined(7, b"ABC", b"abc")]
    assert joiner.expected == 0
    assert joiner.flush() == []


def test_gap() -> None:
    """A part too few costs the message, once, and nothing of the next."""
    joiner = Joiner()
    assert add(joiner, 0, final=False) == []
    assert add(joiner, 2, final=False) == [ErrorCode.TRUNCATED]
    assert add(joiner, 3, final=False) == []
    assert add(joiner, 4, final=True) == []
    assert add(joiner, 0, final=True) == [b"x"]


def test_next_at_once() -> None:
    """The next message may begin where the last part of one is missing."""
    joiner = Joiner()
    assert add(joiner, 0, final=False) == []
    assert add(joiner, 0, final=False, payload=b"y") == [ErrorCode.TRUNCATED]
    assert add(joiner, 1, final=True) == [b"yx"]
    assert add(joiner, 0, final=False) == []
    assert add(joiner, 0, final=True, payload=b"y") == [ErrorCode.TRUNCATED, b"y"]


def test_orphans() -> None:
    """Parts without a first one are worth one word, of the code wanted."""
    joiner = Joiner(orphan=ErrorCode.UNSUPPORTED)
    assert add(joiner, 1, final=False) == [ErrorCode.UNSUPPORTED]
    assert add(joiner, 2, final=False) == []
    assert add(joiner, 3, final=True) == []
    assert add(joiner, 1, final=True) == [ErrorCode.UNSUPPORTED]
    assert add(joiner, 0, final=True) == [b"x"]


def test_damaged() -> None:
    """After a part known to be damaged the others of its message say nothing."""
    joiner = Joiner()
    assert add(joiner, 0, final=False) == []
    joiner.fail()
    assert add(joiner, 2, final=True) == []
    assert add(joiner, 1, final=True) == [ErrorCode.TRUNCATED]
    joiner.fail()
    assert add(joiner, 0, final=True) == [b"x"]


def test_flush() -> None:
    """At the end of the stream what is pending is lost."""
    joiner = Joiner()
    add(joiner, 0, final=False)
    assert [plain(joined) for joined in joiner.flush()] == [ErrorCode.TRUNCATED]
    assert joiner.flush() == []


def test_bounded() -> None:
    """A message that never ends is given up before it fills the memory."""
    joiner = Joiner()
    lost = [add(joiner, part, final=False, payload=bytes(2000)) for part in range(20)]
    assert [code for codes in lost for code in codes] == [ErrorCode.TRUNCATED]
    assert joiner.expected == 0
    assert add(joiner, 20, final=True) == []


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.booleans(), st.binary(max_size=3)), max_size=30
    )
)
def test_only_in_order(parts: list[tuple[int, bool, bytes]]) -> None:
    """Whatever comes, a message is made of neighbours counted from 0 to a last one."""
    joiner = Joiner()
    for at, (part, final, payload) in enumerate(parts):
        for joined in joiner.add(part, payload, final=final, offset=at, frame=b""):
            if isinstance(joined.payload, bytes):
                run = parts[joined.offset : at + 1]
                assert [number for number, _, _ in run] == list(range(len(run)))
                assert [last for _, last, _ in run] == [False] * (len(run) - 1) + [True]
                assert joined.payload == b"".join(data for _, _, data in run)
