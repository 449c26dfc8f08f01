"""What the measured process and the measuring one agree upon."""

from __future__ import annotations

import struct

MARK = struct.Struct("<6sq?")  # b"#bench", number of the frame, whether all is ready
FEATURE = "raw.alpha.occipital"
ADDRESS = f"/brainmusic/feature/{FEATURE}"
