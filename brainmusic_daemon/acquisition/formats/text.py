"""An OpenBCI GUI text recording or a BrainFlow CSV in; a `Take` of its EEG columns out."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from brainmusic_daemon.acquisition.formats.take import STEP_S, Run, Take, even, runs_of
from brainmusic_daemon.api import ConfigError, FloatArray


def read(path: Path, board: str = "") -> Take:
    """Read the whole file.  Raises ConfigError when it is neither format, or a BrainFlow CSV without its `board`."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise ConfigError(f"cannot read the recording {path}: {error.strerror or error}") from error
    header = [line for line in lines[:50] if line.startswith("%")]
    if any("openbci" in line.lower() for line in header):
        return _openbci(path, header, lines)
    first = next((line for line in lines if line.strip()), "")
    if not first:
        raise ConfigError(f"the recording {path} is empty")
    separator = "\t" if "\t" in first else ","
    if not _numeric(first.split(separator)):
        raise ConfigError(
            f"cannot read the recording {path}: its first line is neither an OpenBCI header (%OpenBCI …) nor the "
            f"numbers of a BrainFlow CSV, but {first[:60]!r}"
        )
    return _brainflow(path, separator, lines, board)


def _openbci(path: Path, header: list[str], lines: list[str]) -> Take:
    """Older files state the number of channels only; since version 5 a line names the columns."""
    said = " ".join(header)
    count = re.search(r"(?i)number of channels\s*=\s*(\d{1,4})\b", said)
    rate = re.search(r"(?i)sample rate\s*=\s*(\d{1,9}(?:\.\d*)?)", said)
    device = re.search(r"(?i)board\s*=\s*\S*?(\w+)\s*(?:%|$)", said)
    if not rate or float(rate[1]) <= 0:
        raise ConfigError(f"the recording {path} does not state its sample rate (a line '%Sample Rate = 250 Hz')")
    samplerate, rows = float(rate[1]), [line for line in lines if line.strip() and not line.startswith("%")]
    titles = [title.strip() for title in rows[0].split(",")] if rows else []
    titles = titles if titles and not _numeric(titles[:2]) else []
    columns = [i for i, title in enumerate(titles) if re.match(r"(?i)(exg|eeg) channel", title)]
    if not columns:
        columns = list(range(1, 1 + (int(count[1]) if count else 0)))
    if not columns:
        raise ConfigError(f"the recording {path} names no EXG channels")
    clock = next((i for i, title in enumerate(titles) if title.lower() == "timestamp"), None)
    wanted = [0, *columns, *([] if clock is None else [clock])]
    data, broken = _table(rows[1 if titles else 0 :], ",", wanted)
    if not len(data):
        raise ConfigError(f"the recording {path} holds no samples")
    samples = np.ascontiguousarray(data[:, 1 : 1 + len(columns)])
    stamps = None if clock is None else data[:, -1] / (1000.0 if data[0, -1] > 1e11 else 1.0)
    runs, gaps = _runs(data[:, 0], stamps, samplerate)
    name = device[1] if device else ""
    details = {
        "file": str(path),
        "format": "OpenBCI GUI text",
        "board": name,
        "gaps": gaps,
        "damage": f"{broken} unreadable lines left out" if broken else "",
    }
    return Take(
        name=path.name,
        channels=_usual_names(name, len(columns)),
        samplerate=samplerate,
        samples=samples,
        runs=runs,
        uid=path.name,
        rail_uv=187_500.0 if "cyton" in name.lower() else None,
        details={key: value for key, value in details.items() if value},
    )


def _usual_names(device: str, count: int) -> tuple[str, ...]:
    """Return where the board's electrodes usually sit (the file does not say), or plain numbers."""
    from brainmusic_daemon.acquisition import boards

    if "cyton" in device.lower() and count in (8, 16):
        return boards.describe(*boards.identify("cyton" if count == 8 else "cyton_daisy")).channels
    return tuple(f"Ch{i + 1}" for i in range(count))


def _brainflow(path: Path, separator: str, lines: list[str], board: str) -> Take:
    if not board:
        raise ConfigError(
            f"the recording {path} is a BrainFlow CSV, which does not say what its columns are: "
            'set `board` to the board it was made with, e.g. board = "CYTON_BOARD"'
        )
    from brainmusic_daemon.acquisition import boards

    found = boards.describe(*boards.identify(board))
    extra = [row for row in (found.number_row, found.time_row) if row is not None]
    rows = [line for line in lines if line.strip()]
    width = len(rows[0].rstrip().split(separator))
    if width <= max(*found.eeg_rows, *extra):
        raise ConfigError(f"the recording {path} has {width} columns, too few for a {found.name}: check `board`")
    data, broken = _table(rows, separator, [*found.eeg_rows, *extra])
    if not len(data):
        raise ConfigError(f"the recording {path} holds no samples")
    n = len(found.eeg_rows)
    counter = data[:, n] if found.number_row is not None else np.zeros(0)
    runs, gaps = _runs(counter, data[:, -1] if found.time_row is not None else None, found.samplerate)
    samples = np.ascontiguousarray(data[:, :n])
    details = {"file": str(path), "format": "BrainFlow CSV", "board": found.name, "gaps": gaps}
    details["damage"] = f"{broken} unreadable lines left out" if broken else ""
    return Take(
        name=path.name,
        channels=found.channels,
        samplerate=found.samplerate,
        samples=samples,
        runs=runs,
        uid=path.name,
        rail_uv=found.rail_uv,
        details={key: value for key, value in details.items() if value},
    )


def _numeric(fields: list[str]) -> bool:
    try:
        return bool([float(field) for field in fields if field.strip()])
    except ValueError:
        return False


def _table(lines: list[str], separator: str, columns: list[int]) -> tuple[FloatArray, int]:
    """Return the wanted columns as float64 (n_lines, n_columns) and how many lines could not be read."""
    rows, broken = [], 0
    for line in lines:
        fields = line.split(separator)
        try:
            rows.append([float(fields[i]) for i in columns])
        except (ValueError, IndexError):  # a line cut off by a crash, or a header in the middle
            broken += 1
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(columns)), broken


def _runs(counter: FloatArray, stamps: FloatArray | None, samplerate: float) -> tuple[tuple[Run, ...], str]:
    """Find gaps in the device's sample counter where it counts by ones and wraps; else in the computer's time stamps.

    A counter that wraps at 256 hides losses of 256: pauses of more than a second in the time stamps tell how many.
    """
    n = len(counter) if stamps is None else len(stamps)
    if len(counter) > 1 and np.isfinite(counter).all():
        modulus = float(np.nanmax(counter)) + 1
        steps = np.mod(np.diff(counter), modulus)
        whole = modulus in (100.0, 101.0, 128.0, 200.0, 201.0, 256.0, 65536.0) or modulus >= n
        if whole and np.mean(steps == 1) > 0.9:
            lost = np.maximum(np.where(steps == 0, modulus, steps) - 1, 0)
            if stamps is not None:
                passed = np.diff(stamps) * samplerate - 1 - lost
                lost += np.where(np.isfinite(passed) & (passed > samplerate), np.round(passed / modulus) * modulus, 0)
            return _from_losses(np.minimum(lost, np.round(STEP_S * samplerate)), n, samplerate)
    if stamps is not None and np.isfinite(stamps).all() and n > 1 and stamps[-1] > stamps[0]:
        return runs_of(stamps, samplerate)
    return even(n, samplerate), ""


def _from_losses(lost: FloatArray, n: int, samplerate: float) -> tuple[tuple[Run, ...], str]:
    """Return runs for `lost` (n - 1,): how many samples are missing after each."""
    at = np.flatnonzero(lost > 0) + 1
    total = np.concatenate(([0.0], np.cumsum(lost)))
    starts = [0, *at.tolist()]
    runs = tuple(
        Run(start, stop, float(start + total[start]) / samplerate, 1 / samplerate, int(start + total[start]))
        for start, stop in zip(starts, [*starts[1:], n], strict=True)
    )
    return runs, f"{len(at)} gaps, {int(total[-1])} samples in all" if len(at) else ""
