"""A recording's path in; its EEG in memory out, whatever the format."""

from __future__ import annotations

from pathlib import Path

from brainmusic_daemon.acquisition.formats.take import Run, Take, cut
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.there import expanded, is_there

__all__ = ["Run", "Take", "cut", "load"]


def load(path: str | Path, stream: str = "", board: str = "") -> Take:
    """Read a recording's EEG.  Raises ConfigError with one message for anything that is wrong with it.

    `stream` chooses among an XDF's streams (name, type, source id or number); `board` tells whose rows a BrainFlow CSV
    holds.
    """
    file = expanded(path)
    if not is_there(file):
        raise ConfigError(f"there is no recording {file}: check the path")
    name = file.name.lower()
    if name.endswith((".xdf", ".xdfz", ".xdf.gz")):
        from brainmusic_daemon.acquisition.formats import xdf

        return xdf.read(file, stream)
    if name.endswith((".txt", ".csv", ".tsv")):
        from brainmusic_daemon.acquisition.formats import text

        return text.read(file, board)
    from brainmusic_daemon.acquisition.formats import mne_formats

    if name.endswith((*mne_formats.SUFFIXES, ".eeg", ".vmrk")):
        return mne_formats.read(file)
    raise ConfigError(
        f"cannot tell the format of the recording {file} from its name: known are .xdf .xdfz .txt .csv "
        + " ".join(mne_formats.SUFFIXES)
    )
