"""What every test stands on: LSL stays on this machine, and files go to the test's own folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# liblsl reads its settings once, when it is first loaded: so this comes before any import of it.
_SETTINGS = Path(tempfile.mkdtemp(prefix="brainmusic-lsl-")) / "lsl_api.cfg"
_SETTINGS.write_text("[multicast]\nResolveScope = machine\n[log]\nlevel = -3\n", encoding="utf-8")
os.environ["LSLAPICFG"] = str(_SETTINGS)
