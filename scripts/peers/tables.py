"""What was found in; text for people, and plain values for machines, out."""

from __future__ import annotations

import math
from typing import Any


def plain(value: Any) -> Any:
    """Return the same without what JSON cannot say."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value


def text(result: dict[str, Any]) -> str:
    return str(plain(result["machine"]))
