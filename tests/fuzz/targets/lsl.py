"""Descriptions of LSL streams: channels with their names, units and kinds, and which stream is EEG."""

from __future__ import annotations

from brainmusic_daemon.acquisition import labels
from brainmusic_daemon.acquisition.formats.choose import Candidate, best, eeg_score
from brainmusic_daemon.acquisition.lsl_streams import described

MOST = 2048
QUICK = 8000
WORDS = (
    "<info>",
    "</info>",
    "<desc>",
    "</desc>",
    "<channels>",
    "</channels>",
    "<channel>",
    "</channel>",
    "<label>",
    "</label>",
    "<name>",
    "<unit>",
    "<type>",
    "<desc/>",
    "microvolts",
    "\u00b5V",
    "EEG",
    "ACC_X",
    "Fp1",
    "EEG FP1-REF",
    "EXG1",
    "aux",
    "<![CDATA[",
    "]]>",
    "<!DOCTYPE a [<!ENTITY b 'c'>]>",
    "&b;",
    "&#0;",
    "&#x1F600;",
    "<?xml version='1.0' encoding='utf-16'?>",
    "<?xml version='1.0' encoding='nonsense'?>",
    "xmlns:a='b'",
    "\0",
)


def fuzz(data: bytes) -> None:
    """Read a description, and do with it what the source does when it connects."""
    count = data[0] % 65 if data else 0
    channels = described(data[1:].decode("utf-8", "replace"), count)
    assert len(channels) == count
    given, units, kinds = ([one[at] for one in channels] for at in range(3))
    keep = labels.eeg_columns(given, kinds)
    assert set(keep) <= {*range(count)} and bool(keep) == bool(count)
    names = labels.unique([labels.tidy(given[i]) for i in keep])
    assert len(set(names)) == len(keep) and all(names)
    for unit in units:
        labels.microvolts(unit)
    stream = Candidate(given[0] if given else "", kinds[0] if kinds else "", given, kinds, units, 250.0, 100)
    assert (best([stream]) == 0) == (eeg_score(stream) > 0)


def seeds() -> dict[str, bytes]:
    """Return what the corpus began with."""
    channel = b"<channel><label>%s</label><unit>%s</unit><type>%s</type></channel>"
    several = b"".join(
        channel % each
        for each in ((b"O1", b"microvolts", b"EEG"), (b"ACC_X", b"g", b"ACC"), (b"EEG FP1-REF", b"\xc2\xb5V", b"EEG"))
    )
    whole = b"<?xml version='1.0'?><info><name>x</name><desc><channels>" + several + b"</channels></desc></info>"
    return {
        "whole": b"\x03" + whole,
        "more": b"\x08" + whole,
        "broken": b"\x02" + whole[:-30],
        "none": b"\x04<info><desc/></info>",
    }
