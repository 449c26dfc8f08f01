"""The Dockerfile is linted without Docker, and the lint finds what it is there for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts import CHECKOUT

GOOD = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")


def lint(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, CHECKOUT / "scripts" / "check_docker", "--file", file]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_ours_is_fine(tmp_path: Path) -> None:
    done = lint(CHECKOUT / "Dockerfile")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("FROM python:3.13-slim AS build", "FROM python AS build", "name a version"),
        ("USER 1000:1000", "USER root", "runs as 'root'"),
        ("USER 1000:1000", "USER 0", "runs as '0'"),
        ("--no-install-recommends", "", "without --no-install-recommends"),
        ("-c constraints.txt", "", "pip install without -c constraints.txt"),
        ("COPY configs configs", "COPY nowhere configs", "COPY nowhere: there is no such file"),
        ("COPY --from=build", "COPY --from=elsewhere", "no such stage"),
        ('ENTRYPOINT ["brainmusic"]', "ENTRYPOINT brainmusic run", "signals would not arrive"),
        ("HEALTHCHECK", "LABEL", "no HEALTHCHECK"),
        (', "--healthy"]', "]", "HEALTHCHECK would not see ticks that stand still"),
        ("WORKDIR /data", "WORKDIR data", "WORKDIR is relative"),
        ("PYTHONUNBUFFERED=1", "API_TOKEN=abc", "a secret in ENV"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    file = tmp_path / "Dockerfile"
    file.write_text(GOOD.replace(old, new), encoding="utf-8")
    done = lint(file)
    assert done.returncode == 1 and said in done.stdout, done.stdout
