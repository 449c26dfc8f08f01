"""Child process: the simulated person rendered offline as fast as it goes; prints how many times faster than real time.

    python -m brainmusic_daemon.service.bench.speed SECONDS

Everything is done once before, so that what is compiled or loaded once does not count.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from brainmusic_daemon import config as configuration
from brainmusic_daemon import registry
from brainmusic_daemon.service.render import render


def main() -> None:
    seconds = float(sys.argv[1])
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for what, kinds in (("silent", ()), ("sounding", ("wav",))):
            for length in (1.0, seconds):
                outputs = {
                    kind: registry.build("output", kind, {"path": str(Path(folder) / f"out.{kind}")}, kind)
                    for kind in kinds
                }
                config = configuration.load("default", ["source.kind=simulator"])
                found[what] = render(config, outputs, seconds=length).speed
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
