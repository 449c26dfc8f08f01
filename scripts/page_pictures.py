"""Take pictures of the page, beside a daemon with the simulated person: dark, light, on a phone, with two persons.

    python scripts/page_pictures.py [--out docs/images]

Needs Debian's chromium and pulseaudio (sound goes nowhere there), and Pillow (it comes with the extra `learn`).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

if TYPE_CHECKING:
    from brainmusic_daemon.service.daemon import Daemon
    from tests.browser import Tab

DESKTOP, PHONE = (1440, 1010), (390, 844)
PICTURED = (1000, 760)  # a calibration
SETTLED_S = 27.0  # the range is known, and the person has opened and closed the eyes


def main() -> None:
    from PIL import Image

    from tests.browser import browser
    from tests.daemons import daemon
    from tests.pulse import Pulse

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=CHECKOUT / "docs" / "images")
    folder = parser.parse_args().out
    settings = (
        *("web.enabled=true", "web.port=0", "music.preset=ensemble", "output.osc.enabled=false"),
        *("output.audio.enabled=true", "output.audio.gain_db=-6", "output.audio.frames=2048"),
        "output.audio.latency=high",  # beside a browser without a graphics card
    )
    server = Pulse()
    server.start()
    os.environ.update(server.env)  # before PortAudio looks for devices
    with closing(server):
        # Drawn without a graphics card, the browser would take the machine.
        with daemon(*settings, config="scenes", name="brainmusic") as running, browser("nice", "-n", "19") as chromium:
            tab = chromium.tab()
            for name, size, scheme in (
                ("page-dark", DESKTOP, "dark"),
                ("page-light", DESKTOP, "light"),
                ("page-phone-1", PHONE, "dark"),
                ("page-phone-2", PHONE, "dark"),
            ):
                tab.prefer(scheme)
                show(tab, running, size)
                if name.endswith("2"):
                    tab.click("[data-control=reverb] > button")
                    time.sleep(1.0)
                tab.picture(folder / f"{name}.png")
            calibration(tab, folder / "page-calibration.png")
            assert not tab.errors, tab.errors
        with daemon(*settings, config="duo", name="duo") as running, browser("nice", "-n", "19") as chromium:
            tab = chromium.tab()
            tab.prefer("dark")
            show(tab, running, DESKTOP)
            tab.run("document.querySelectorAll('#people button')[1].click()")
            time.sleep(8.0)  # the traces of another begin anew
            tab.picture(folder / "page-several.png")
            assert not tab.errors, tab.errors
    phones = [Image.open(folder / f"page-phone-{n}.png").convert("RGB") for n in (1, 2)]
    width, height = phones[0].size
    both = Image.new("RGB", (2 * width + 40, height), "#808080")
    for n, phone in enumerate(phones):
        both.paste(phone, (n * (width + 40), 0))
        (folder / f"page-phone-{n + 1}.png").unlink()
    both.resize((both.width * 5 // 8, both.height * 5 // 8), Image.Resampling.LANCZOS).save(folder / "page-phone.png")
    for name in ("page-dark", "page-light", "page-phone", "page-calibration", "page-several"):
        path = folder / f"{name}.png"
        picture = Image.open(path).convert("RGB").quantize(256, kmeans=2, dither=Image.Dither.NONE)
        picture.save(path, optimize=True)
        sys.stdout.write(f"{path}: {path.stat().st_size / 1000:.0f} kB\n")


def show(tab: Tab, running: Daemon, size: tuple[int, int]) -> None:
    """Open the page once everything on it has come to its usual look."""
    from tests.receivers import wait_for

    wait_for(lambda: running.web.port, 20, "for the web server")
    time.sleep(max(0.0, SETTLED_S - running.clock.now()))
    tab.size(*size, mobile=size == PHONE, scale=2 if size == PHONE else 1)
    tab.open(running.web.url)
    tab.wait("window.brainmusic && brainmusic.traces.count > 850", 60)


def calibration(tab: Tab, path: Path) -> None:
    """Take a picture of somebody who is being calibrated, and cancel that."""
    tab.size(*PICTURED)
    tab.run("document.querySelector('#calibrate-name').value = 'anna'")
    tab.click("#calibrate-start")
    tab.wait("document.querySelector('#guide').dataset.phase === 'open'")
    tab.wait("document.querySelector('#guide .count').textContent === '24'")
    tab.picture(path)
    tab.click("#guide-cancel")
    tab.wait("document.querySelector('#guide').dataset.phase === 'cancelled'")


if __name__ == "__main__":
    main()
