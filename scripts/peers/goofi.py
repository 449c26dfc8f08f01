"""goofi-pipe, headless: its own example of band powers over OSC, and tuned (https://github.com/dav0dea/goofi-pipe)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

from peers import environments
from peers.peer import Peer, Stage, by_position
from peers.stimulus import BEST_S, RATE_HZ

VERSION = environments.version("goofi", "goofi")

Node = tuple[str, str, str, dict[str, Any]]  # name, category, output that the next one takes, settings
_INPUTS = {"Buffer": "val", "Reduce": "array", "ExtendedTable": "array_input3"}  # of all others: data


def _start(order: Callable[[Stage], list[Node]], rates: Mapping[str, float]) -> Callable[[Stage], None]:
    def begin(stage: Stage) -> None:
        patch = stage.folder / "alpha.gfi"
        patch.write_text(json.dumps(_patch(order(stage), rates)), encoding="utf-8")  # JSON is YAML
        stage.run(environments.python("goofi").with_name("goofi-pipe"), "--headless", patch)

    return begin


def _patch(nodes: list[Node], rates: Mapping[str, float]) -> dict[str, Any]:
    """Return a chain of nodes as goofi-pipe 2.3 saves it."""
    made = {
        kind: {
            "_type": kind,
            "category": category,
            "params": {
                **settings,
                "common": {"autotrigger": kind == "LSLClient", "max_frequency": rates.get(kind, rates["others"])},
            },
            "gui_kwargs": {"pos": [100 * number, 100]},
        }
        for number, (kind, category, _, settings) in enumerate(nodes)
    }
    links = [
        {"node_out": a[0], "node_in": b[0], "slot_out": a[2], "slot_in": _INPUTS.get(b[0], "data")}
        for a, b in itertools.pairwise(nodes)
    ]
    return {"nodes": made, "links": links}


def _ends(stage: Stage) -> tuple[Node, Node, Node, Node]:
    stream = {"source_name": stage.stream, "stream_name": stage.stream}
    return (
        ("LSLClient", "inputs", "out", {"lsl_stream": stream}),
        ("Select", "array", "out", {"select": {"axis": 0, "include": ",".join(stage.watched)}}),
        ("ExtendedTable", "inputs", "table", {"table": {"param3": "alpha"}}),
        ("OSCOut", "outputs", "", {"osc": {"address": "127.0.0.1", "port": stage.port, "prefix": "/goofi"}}),
    )


def _documented(stage: Stage) -> list[Node]:
    source, select, table, osc = _ends(stage)
    welch = {"nperseg": -1.0, "noverlap": -1.0}
    return [
        source,
        ("Buffer", "signal", "out", {"buffer": {"size": 5.0, "axis": -1, "unit": "seconds"}}),
        ("PSD", "signal", "psd", {"psd": {"method": "welch", "f_min": 1.0, "f_max": 20.0, "axis": -1}, "welch": welch}),
        select,
        ("PowerBandEEG", "analysis", "alpha", {"powerband": {"power_type": "absolute"}}),
        table,
        osc,
    ]


def _tuned(seconds: float) -> Callable[[Stage], list[Node]]:
    def order(stage: Stage) -> list[Node]:
        source, select, table, osc = _ends(stage)
        size = {"size": float(round(seconds * RATE_HZ)), "axis": -1, "unit": "samples"}
        welch = {"nperseg": 1.0, "nperseg_unit": "fraction", "noverlap": 0.0}
        return [
            source,
            select,
            ("Buffer", "signal", "out", {"buffer": size}),
            ("PSD", "signal", "psd", {"psd": {"method": "welch", "f_min": 8.0, "f_max": 13.0}, "welch": welch}),
            (
                "Reduce",
                "array",
                "out",
                {"reduce": {"method": "mean", "axis": 1}},
            ),  # its PowerBand fails on several channels
            table,
            osc,
        ]

    return order


def _peer(key: str, setting: str, about: str, start: Callable[[Stage], None]) -> Peer:
    reading = by_position("/goofi/alpha")
    return Peer(
        *(key, "goofi-pipe", setting, about, "named", start, reading, True, "goofi"), version=VERSION, cores=0.45
    )


_QUICK = {"LSLClient": 60.0, "others": 0.0}  # 0: as often as there is something

PEERS = (
    _peer(
        "goofi",
        "as documented",
        "its example Powerbands_OSC: 5 s, Welch as it comes, alpha 7-12 Hz, every node at 30 a second",
        _start(_documented, {"others": 30.0}),
    ),
    _peer("goofi-1s", "buffer 1 s", "one segment of 1 s, nodes unbraked", _start(_tuned(1.0), _QUICK)),
    _peer("goofi-tuned", "buffer 0.4 s", "one segment of 0.4 s, nodes unbraked", _start(_tuned(BEST_S), _QUICK)),
)
