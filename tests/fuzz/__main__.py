"""Search for inputs that break a promise, led by coverage, until stopped.

    .venv/bin/python -m tests.fuzz [FOLDER] [-max_total_time=SECONDS] [-runs=N] ...

FOLDER keeps the inputs that reached new code; without one they are made anew each time.
The options are those of libFuzzer. An input that breaks a promise is left as
crash-<hash> in the current folder; `python -m tests.fuzz crash-<hash>` puts it to the
decoder again.
"""

import importlib
from pathlib import Path
import sys
import tempfile
import types
from typing import Any

_ROOT = Path(__file__).parents[2]
_PROTOCOL = "custom_components.han_port.protocol"


def main() -> None:
    """Run the fuzzer on the protocol alone, without Home Assistant."""
    # It has no types of its own.
    atheris: Any = importlib.import_module("atheris")
    package = types.ModuleType(_PROTOCOL.rpartition(".")[0])
    package.__path__ = [str(_ROOT / "custom_components" / "han_port")]
    sys.modules[package.__name__] = package
    with atheris.instrument_imports(include=[_PROTOCOL]):
        from . import checks

    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(checks.seeds()):
            (Path(folder) / str(number)).write_bytes(seed)
        arguments = sys.argv[1:]
        single = any(Path(argument).is_file() for argument in arguments)
        own = [] if single else [folder]
        limits = ["-max_len=4096", "-timeout=10"]
        atheris.Setup([sys.argv[0], *limits, *arguments, *own], checks.check)
        atheris.Fuzz()


main()
