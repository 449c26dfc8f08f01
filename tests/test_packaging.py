"""What users install: the wheel, the pins, the start scripts and the image hold together."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.parts import CHECKOUT

ON_WINDOWS = os.name == "nt"


@pytest.fixture(scope="module")
def project() -> dict[str, object]:
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel alone in a folder; its dependencies come from the environment that runs the tests."""
    folder = tmp_path_factory.mktemp("installed")
    alone = ["--no-deps", "--no-index", "--target", str(folder)]
    command = [sys.executable, "-m", "pip", "install", "-q", *alone, str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def brainmusic(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command from outside the checkout, which PYTHONPATH comes before."""
    return subprocess.run(
        [sys.executable, "-m", "brainmusic_daemon", *arguments],
        cwd=installed,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


# The wheel


def test_the_wheel_carries_every_module_and_configuration(wheel: Path) -> None:
    files = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "brainmusic_daemon").rglob("*.py")}
    configs = [path for kind in ("toml", "safetensors") for path in CHECKOUT.glob(f"configs/**/*.{kind}")]
    files |= {f"brainmusic_daemon/{path.relative_to(CHECKOUT).as_posix()}" for path in configs}
    static = (CHECKOUT / "brainmusic_daemon" / "service" / "dashboard" / "static").iterdir()
    files |= {path.relative_to(CHECKOUT).as_posix() for path in static}
    assert "brainmusic_daemon/service/dashboard/static/index.html" in files
    assert "brainmusic_daemon/configs/models/neural.safetensors" in files
    assert "brainmusic_daemon/configs/default.toml" in files
    assert files <= set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_carries_nothing_else(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"brainmusic_daemon"}


def test_the_installed_wheel_explains_itself(installed: Path) -> None:
    done = brainmusic(installed, "--help")
    assert done.returncode == 0, done.stderr
    assert "render" in done.stdout


def test_the_installed_wheel_finds_its_own_configuration(installed: Path) -> None:
    """`check` reads the default configuration: from the wheel, as nothing of the checkout is in reach first."""
    where = "import brainmusic_daemon.config as c; print(c.folder())"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    found = subprocess.run(
        [sys.executable, "-c", where], cwd=installed, env=environment, capture_output=True, text=True
    )
    assert Path(found.stdout.strip()).is_relative_to(installed), found.stderr
    done = brainmusic(installed, "check")
    assert done.returncode == 0, done.stderr


# The pins


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    lines = (CHECKOUT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    requirements = [Requirement(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]
    for requirement in requirements:
        assert requirement.url is None and not requirement.extras  # pip refuses these in a constraints file
    return {canonicalize_name(r.name): str(r.specifier) for r in requirements}


def test_every_dependency_is_pinned_within_its_range(project: dict, pins: dict[str, str]) -> None:
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *(text for extra in extras.values() for text in extra)]
    for requirement in map(Requirement, declared):
        name = canonicalize_name(requirement.name)
        if name == project["name"]:
            continue
        assert re.fullmatch(r"==[\w.]+", pins.get(name, "")), f"{name} is not pinned in constraints.txt"
        assert requirement.specifier.contains(pins[name][2:]), f"{name}{pins[name]} is outside {requirement.specifier}"


def test_the_base_does_without_torch(project: dict) -> None:
    assert not {Requirement(text).name for text in project["dependencies"]} & {"torch", "safetensors", "scikit-learn"}


# The start scripts


def environment_script(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(checkout / "scripts" / "environment"), *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A checkout in a folder with a space, whose environment looks freshly installed."""
    root = tmp_path / "a checkout"
    shutil.copytree(CHECKOUT / "scripts", root / "scripts")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(CHECKOUT / name, root)
    (root / ".venv" / "bin").mkdir(parents=True)
    # Its Python runs the script; as `python -m pip` it notes what it was asked for, and installs nothing
    fake = f'#!/bin/sh\n[ "$1" = -m ] && echo "$@" >>"{root}/asked" && exit 0\nexec "{sys.executable}" "$@"\n'
    (root / ".venv" / "bin" / "python").write_text(fake)
    (root / ".venv" / "bin" / "python").chmod(0o755)
    told = '#!/bin/sh\necho "brainmusic $*"\n'
    (root / ".venv" / "bin" / "brainmusic").write_text(told)
    (root / ".venv" / "bin" / "brainmusic").chmod(0o755)
    yield root


@pytest.mark.skipif(ON_WINDOWS, reason="a shell script; scripts/run.cmd is its twin")
def test_an_environment_is_installed_once_and_again_after_a_change(checkout: Path) -> None:
    venv, asked = str(checkout / ".venv"), checkout / "asked"
    assert "installing" in environment_script(checkout, venv).stderr
    assert f"-c {checkout}/constraints.txt -e {checkout}\n" in asked.read_text()
    again = environment_script(checkout, venv)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    for change in ("pyproject.toml", "constraints.txt"):
        with (checkout / change).open("a") as file:
            file.write("# changed\n")
        asked.unlink()
        assert "installing" in environment_script(checkout, venv).stderr
        assert asked.exists()
    assert "installing" in environment_script(checkout, venv, "all", "dev").stderr
    assert f"-e {checkout}[all,dev]\n" in asked.read_text()


@pytest.mark.skipif(ON_WINDOWS, reason="a shell script; scripts/run.cmd is its twin")
@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ([], "run"),
        (["--config", "my eeg.toml"], "run --config my eeg.toml"),
        (["--help"], "run --help"),
        (["devices", "--json"], "devices --json"),
    ],
)
def test_run_starts_the_daemon_or_passes_a_command_on(checkout: Path, arguments: list[str], command: str) -> None:
    """Nothing but the command's own output is on stdout, even on the first start."""
    done = subprocess.run([str(checkout / "scripts" / "run"), *arguments], capture_output=True, text=True, check=True)
    assert done.stdout == f"brainmusic {command}\n"


@pytest.mark.skipif(ON_WINDOWS, reason="a shell script; scripts/run.cmd is its twin")
def test_without_a_python_that_suits_it_says_what_to_install(checkout: Path, tmp_path: Path) -> None:
    done = environment_script(checkout, str(tmp_path / "none"), BRAINMUSIC_PYTHON="/no/such/python")
    assert done.returncode == 2
    assert "needs Python 3.11 or newer" in done.stderr and "/no/such/python" in done.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.skipif(ON_WINDOWS, reason="a shell script; scripts/run.cmd is its twin")
def test_a_failed_installation_is_tried_again(checkout: Path) -> None:
    python = checkout / ".venv" / "bin" / "python"
    python.write_text(python.read_text().replace("exit 0", "exit 1"))
    for _ in range(2):
        done = environment_script(checkout, str(checkout / ".venv"))
        assert done.returncode == 2
        assert "the installation failed" in done.stderr


def test_the_scripts_may_be_executed() -> None:
    for name in ("scripts/run", "scripts/test", "scripts/lint", "scripts/check", "scripts/environment", ".ci/run"):
        assert os.access(CHECKOUT / name, os.X_OK), name


# The image


@pytest.fixture(scope="module")
def image() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, in order."""
    text = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_image_copies_what_exists_and_what_is_let_in(image: list[tuple[str, str]]) -> None:
    let_in = (CHECKOUT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copies = [rest.split()[:-1] for word, rest in image if word == "COPY" and not rest.startswith("--from")]
    assert copies
    for source in (source for sources in copies for source in sources):
        assert (CHECKOUT / source).exists(), source
        assert f"!{source}" in let_in, source


def test_the_image_runs_as_an_ordinary_user(image: list[tuple[str, str]]) -> None:
    last = [word for word, _ in image]
    made = "".join(rest for word, rest in image if word == "RUN")
    user = next(rest for word, rest in reversed(image) if word == "USER")
    number = user.partition(":")[0]  # in numbers: a host that forbids root cannot look names up in the image
    assert number.isdigit() and int(number) > 0
    assert f"useradd --create-home --uid {number} brainmusic" in made
    assert last.index("USER") < last.index("ENTRYPOINT")


def test_the_image_starts_a_command_that_exists(image: list[tuple[str, str]]) -> None:
    """Its settings go through the daemon's own reader; without sound, OSC is what is left."""
    words = dict(image)
    assert json.loads(words["ENTRYPOINT"]) == ["brainmusic"]
    command, *options = json.loads(words["CMD"])
    assert command == "run"
    assert options[::2] == ["--set"] * (len(options) // 2)
    from brainmusic_daemon import config

    assert "audio" in config.load().outputs
    outputs = config.load(overrides=options[1::2]).outputs
    assert "audio" not in outputs and "osc" in outputs
