"""The pictures of the page in the documentation show the page as it is."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from brainmusic_daemon.service.daemon import Daemon
from tests.browser import Browser, browser
from tests.daemons import daemon
from tests.parts import CHECKOUT

pytestmark = pytest.mark.real

ALIKE = 0.8  # 0.87 and more; 0.4 to 0.77 with one of the larger panels hidden


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    """The script that took them; it is no package of the project."""
    spec = importlib.util.spec_from_file_location("page_pictures", CHECKOUT / "scripts" / "page_pictures.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    made.SETTLED_S = 0.0  # whether the bars have come to their usual length is no matter here
    return made


@pytest.fixture(scope="module")
def playing() -> Iterator[Daemon]:
    with daemon("web.enabled=true", "web.port=0", "music.preset=ensemble", config="scenes") as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


def seen(path: Path, part: float = 1.0) -> np.ndarray:
    """Return the left part of a picture, coarse and grey (64, 64)."""
    from PIL import Image

    with Image.open(path) as picture:
        width, height = picture.size
        left = picture.convert("L").crop((0, 0, round(part * width), height))
        return np.asarray(left.resize((64, 64), Image.Resampling.BOX), dtype=float)


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@pytest.mark.parametrize(
    ("name", "scheme", "part"),
    [("page-dark", "dark", 1.0), ("page-light", "light", 1.0), ("page-phone", "dark", 0.4875)],
)
def test_what_the_documentation_shows_is_what_there_is(
    name: str, scheme: str, part: float, pictures: ModuleType, playing: Daemon, chromium: Browser, tmp_path: Path
) -> None:
    tab = chromium.tab()
    tab.prefer(scheme)
    pictures.show(tab, playing, pictures.PHONE if name == "page-phone" else pictures.DESKTOP)
    now = tmp_path / f"{name}.png"
    tab.picture(now)
    tab.close()
    assert tab.errors == []
    found = likeness(seen(now), seen(CHECKOUT / "docs" / "images" / f"{name}.png", part))
    assert found > ALIKE, f"{found:.2f}: scripts/page_pictures.py takes them anew"
