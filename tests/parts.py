"""The real parts that tests run against: each is found here, or the test is skipped naming the package to install.

With BRAINMUSIC_REQUIRE_PARTS=1 (as in CI) a missing part is a failure.
"""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent


def require(found: object, package: str) -> None:
    """Skip (or fail, where parts are required) unless `found`, naming what to install."""
    if found:
        return
    message = f"needs {package}"
    if os.environ.get("BRAINMUSIC_REQUIRE_PARTS") == "1":
        pytest.fail(message)
    pytest.skip(message)


def program(name: str, package: str) -> str:
    """Return the path of a program from a Debian package."""
    path = shutil.which(name)
    require(path, f"the Debian package {package} (program {name})")
    assert path is not None
    return path


def recordings() -> Path:
    """Return the folder of real recordings; they are no part of the project, so their absence is always a skip."""
    folder = Path(os.environ.get("BRAINMUSIC_TEST_DATA", CHECKOUT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("needs the folder of real recordings that BRAINMUSIC_TEST_DATA names")
    return folder


def free_port(kind: int = socket.SOCK_DGRAM) -> int:
    """Return a port of 127.0.0.1 that is free now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
