"""What every test stands on: LSL stays on this machine, and files go to the test's own folder."""

from __future__ import annotations

import atexit
import logging
import os
import random
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Who runs the tests in the background of a script has Ctrl-C ignored, and so would every process that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _folder(kind: str) -> str:
    """Return an empty folder that is gone when the tests are over."""
    made = tempfile.mkdtemp(prefix=f"brainmusic-{kind}-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


# liblsl reads its settings once, when it is first loaded: so this comes before any import of it.
_SETTINGS = Path(_folder("lsl")) / "lsl_api.cfg"
_SETTINGS.write_text(  # a session of its own hides the streams of whatever runs beside; tuned for one machine
    f"[multicast]\nResolveScope = machine\n[lab]\nSessionID = {_SETTINGS.parent.name}\n"
    "[tuning]\nMulticastMinRTT = 0.1\nTimeProbeInterval = 0.02\nTimeProbeMaxRTT = 0.05\n[log]\nlevel = -3\n",
    encoding="utf-8",
)
os.environ["LSLAPICFG"] = str(_SETTINGS)

# Run files of the daemons that tests start: a folder of their own, so that no daemon that runs beside is in their way.
os.environ["XDG_RUNTIME_DIR"] = _folder("run")

# What daemons keep for after a crash, likewise.
os.environ["XDG_STATE_HOME"] = _folder("state")

# And the user's own configurations, which are found by name.
os.environ["XDG_CONFIG_HOME"] = _folder("config")

# The same examples each time, however slow the machine is: a failure is one of the code, and comes again.
settings.register_profile(
    "brainmusic", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("brainmusic")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take another order of the files: what stands on what ran before it shows then."""
    parser.addoption("--shuffle", type=int, metavar="SEED", help="the files in another order, the same for a seed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffle whole files: what a file sets up once is still set up once."""
    seed = config.getoption("--shuffle")
    if seed is not None:
        files = sorted({str(item.path) for item in items})
        random.Random(seed).shuffle(files)
        items.sort(key=lambda item: files.index(str(item.path)))


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Commands that run in this process set up the logs: the next test finds them as if none had."""
    log = logging.getLogger("brainmusic_daemon")
    before = log.handlers[:], log.level, log.propagate
    yield
    log.handlers[:], log.level, log.propagate = before
