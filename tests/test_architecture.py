"""Imports point downwards, and a third-party library is imported where it belongs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "brainmusic_daemon"
MODULES = sorted(PACKAGE.rglob("*.py"))

# room → rooms it may know, beside `api`, `clock`, `registry`, `jit` and itself; who is not here joins the others
MAY_KNOW = {
    "acquisition": {"liblsl", "harmless"},
    "features": {"sections", "signals"},
    "mapping": set(),
    "music": set(),
    "learning": {"mapping", "acquisition"},  # the model it makes; the XDF that it reads
    "synth": set(),
    "outputs": {"synth", "liblsl", "signals"},  # the audio callback *is* the synth
    "api": set(),
    "clock": set(),
    "jit": set(),
    "there": set(),
}
COMMON = {"api", "clock", "registry", "jit", "there"}

# library → the only rooms or modules that import it
BELONGS = {
    "pylsl": {"liblsl"},
    "brainflow": {"acquisition.boards", "acquisition.brainflow"},
    "sounddevice": {"outputs.portaudio"},
    "soundfile": {"outputs.wav"},
    "pyxdf": {"acquisition"},
    "mne": {"acquisition", "features"},
    "transformers": {"mapping.text_encoder"},
    "torch": {"mapping", "learning", "synth.instrument_model"},
    "matplotlib": {"learning.figures"},
    "rich": {"service", "cli"},
    "starlette": {"service"},
    "uvicorn": {"service.web", "service.web_patience"},
    "zeroconf": {"service.advertise"},
    "ifaddr": {"service.advertise"},
    "typer": {"cli"},
    "orjson": {"outputs", "service.dashboard.hub"},
    "mido": {"outputs.smf"},
    "rtmidi": {"outputs.midi"},
}


def name(module: Path) -> str:
    return ".".join(module.relative_to(PACKAGE).with_suffix("").parts)


def imported(module: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room_of(module: Path) -> str:
    return name(module).split(".")[0]


@pytest.mark.parametrize("module", [module for module in MODULES if room_of(module) in MAY_KNOW], ids=name)
def test_imports_point_downwards(module: Path) -> None:
    room = room_of(module)
    known = {path.split(".")[1] for path in imported(module) if path.startswith("brainmusic_daemon.")}
    assert known <= {room} | COMMON | MAY_KNOW[room] | {"__version__"}


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_each_library_has_its_place(module: Path) -> None:
    own = name(module)
    for path in imported(module):
        allowed = BELONGS.get(path.split(".")[0])
        assert allowed is None or any(own == place or own.startswith(f"{place}.") for place in allowed), path


def test_settings_can_be_read_without_heavy_libraries() -> None:
    """`brainmusic check` and every start import plug-ins to validate settings: that must stay quick."""
    import subprocess
    import sys

    code = (
        "import sys; from brainmusic_daemon import config, registry; config.load();"
        "[registry.find(k, n) for k in ('source', 'output', 'mapper') for n in registry.names(k)];"
        "print({'mne', 'scipy', 'numba', 'torch', 'pylsl', 'brainflow', 'sounddevice'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
