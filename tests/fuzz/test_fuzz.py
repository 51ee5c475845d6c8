"""Does anything at all make the decoder break a promise? A short search."""

import importlib.util
from pathlib import Path
import subprocess
import sys

from hypothesis import given, settings, strategies as st
import pytest

from .checks import check, honest, messages, seeds

ROOT = Path(__file__).parents[2]


def test_seeds() -> None:
    """What the search begins with breaks none."""
    for seed in seeds():
        check(seed)


@given(st.binary(min_size=2, max_size=300))
@settings(max_examples=300)
def test_anything(data: bytes) -> None:
    """Nor do any bytes, in any of the ways they can be put."""
    check(data)


@given(st.sampled_from(list(seeds())), st.data())
@settings(max_examples=300)
def test_mutations(seed: bytes, data: st.DataObject) -> None:
    """Nor does any change to a real message."""
    place = data.draw(st.integers(2, len(seed)))
    end = data.draw(st.integers(place, len(seed)))
    check(seed[:place] + data.draw(st.binary(max_size=20)) + seed[end:])


def test_honest() -> None:
    """The checksums are worked out by the check itself, and it can tell wrong ones."""
    for message in messages()[:7]:
        assert honest(message)
        middle = len(message) // 2
        wrong = message[:middle] + bytes((message[middle] ^ 1,)) + message[middle + 1 :]
        assert not honest(wrong)


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed"
)
def test_led_by_coverage(tmp_path: Path) -> None:
    """A search that coverage leads finds nothing in its first runs."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "-runs=4000", "-seed=1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done 4000 runs" in done.stderr
