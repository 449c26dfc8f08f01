"""Profiles of persons: a TOML and its arrays, whose checksum is made to fit; a profile or a ConfigError."""

from __future__ import annotations

import io
import os
import zipfile

import numpy as np

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.features import profile_file
from tests.fuzz import bed

MOST = 6144
QUICK = 1000
DIGEST = b"@digest@"
WORDS = (
    DIGEST,
    "version = 1",
    "[headset]",
    "[alpha]",
    "[bands]",
    "[found]",
    "[seconds]",
    "[agency.tempo]",
    "trials = ",
    "why_not = ",
    "effect = ",
    "made = 2026-05-03",
    "channels = ",
    "alpha = [8, 12]",
    "frequency = ",
    "nan",
    "inf",
    "1e999",
    "-1",
    '""',
    "\n==\n",
    "names\n",
    "density\n",
    "middle\n",
    b"\x93NUMPY\x01\0",
    "'descr': '<f8'",
    "'descr': '|O'",
    "'descr': '<U9999'",
    "'fortran_order': True",
    "'shape': (99999999999,)",
    "'shape': (-1,)",
    "'shape': ()",
    "[" * 300,
    "1" * 4400,
)


def fuzz(data: bytes) -> None:
    """Read a profile: the first part is its TOML, the others `name`, line feed, an array in numpy's format."""
    text, *arrays = bed.pieces(data)
    packed = io.BytesIO()
    if len(arrays) == 1:
        packed.write(arrays[0])
    else:
        with zipfile.ZipFile(packed, "w") as stored:
            files: dict[str, bytes] = {}
            for part in arrays:
                name, _, content = part.partition(b"\n")
                files[zipfile.ZipInfo(name.decode("ascii", "replace")[:20] + ".npy").filename] = content
            for called, content in files.items():
                stored.writestr(zipfile.ZipInfo(called), content)
    arrays_bytes = packed.getvalue()
    folder = bed.folder() / "profiles"
    folder.mkdir(exist_ok=True)
    os.environ["BRAINMUSIC_PROFILES"] = str(folder)
    (folder / "anna.npz").write_bytes(arrays_bytes)
    (folder / "anna.toml").write_bytes(text.replace(DIGEST, profile_file._digest(arrays_bytes).encode()))
    try:
        found = profile_file.load("anna")
    except ConfigError as error:
        assert str(error)
        return
    assert profile_file._toml(profile_file.as_saved(found), b"") == profile_file._toml(
        profile_file.as_saved(profile_file.as_saved(found)), b""
    )


def seeds() -> dict[str, bytes]:
    """Return what the corpus began with."""
    f, n = np.arange(1.0, 5.0), 2
    arrays = {
        "f": f,
        "density": 1 / f,
        "names": np.array(["alpha", "beta.O1"]),
        "logarithmic": np.array([True, False]),
        "middle": np.zeros(n),
        "spread": np.ones((n, 2)),
        "reach": np.ones((n, 2)),
        "usual": np.zeros((n, 1, 2)),
    }
    parts = []
    for name, array in arrays.items():
        out = io.BytesIO()
        np.lib.format.write_array(out, array)
        parts.append(name.encode() + b"\n" + out.getvalue())
    text = (
        b'version = 1\nmade = 2026-05-03\narrays = "@digest@"\n[headset]\nsource = "x"\nuid = "u"\n'
        b'samplerate = 250.0\nreference = "none"\n'
        b'channels = ["O1", "Fz"]\nusable = ["O1"]\n'
        b"[seconds]\nopen = 30.0\n[alpha]\nfrequency = 10.5\nconfidence = 0.9\n[bands]\n"
        b"alpha = [8.5, 12.5]\n[found]\nmains = 50\nnoise_floor = 0.3\n"
    )
    agency = (
        b"[agency.tempo]\nmade = 2026-05-03\ntrials = 20\neffect = 1.0\nlow = 0.5\nhigh = 1.5\n"
        b"auc = 0.8\ndifference = 0.2\nchance = 0.01\n"
        b'[agency.mode]\nmade = 2026-05-03\ntrials = 3\nwhy_not = "too few"\n'
    )
    raw = io.BytesIO()
    np.savez_compressed(raw, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    return {
        "whole": b"\n==\n".join([text, *parts]),
        "agency": b"\n==\n".join([text + agency, *parts]),
        "raw": b"\n==\n".join([text, raw.getvalue()]),
        "deep": b"a = " + b"[" * 3000,
        "long": b"a = " + b"1" * 4400,
    }
