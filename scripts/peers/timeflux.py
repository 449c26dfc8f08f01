"""Timeflux: LSL → window → Welch → bands → OSC, as its documentation shows, and tuned (https://timeflux.io)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from peers import environments
from peers.peer import Peer, Stage, by_position
from peers.stimulus import BEST_S, CHANNELS, RATE_HZ

VERSION = f"{environments.version('timeflux', 'timeflux')}, dsp {environments.version('timeflux', 'timeflux-dsp')}"

_HEAD = """graphs:
  - id: alpha
    rate: {rate}
    nodes:
      - {{id: lsl, module: timeflux.nodes.lsl, class: Receive, params: {{prop: name, value: {stream}, timeout: 30}}}}
      - {{id: osc, module: timeflux.nodes.osc, class: Client, params: {{address: /alpha, port: {port}}}}}
"""
_WELCH = """      - {{id: window, module: timeflux.nodes.window, class: Window, params: {{{window}}}}}
      - {{id: welch, module: timeflux_dsp.nodes.spectral, class: Welch, params: {{{welch}}}}}
      - {{id: bands, module: timeflux_dsp.nodes.spectral, class: Bands, params: {{{bands}}}}}
    edges:
      - {{source: lsl, target: window}}
      - {{source: window, target: welch}}
      - {{source: welch, target: bands}}
      - {{source: "bands:alpha", target: osc}}
"""
_FILTERS = """      - {{id: band, module: timeflux_dsp.nodes.filters, class: IIRFilter, params: {{{band}}}}}
      - {{id: size, module: timeflux.nodes.apply, class: ApplyMethod, params: {{{size}}}}}
      - {{id: low, module: timeflux_dsp.nodes.filters, class: IIRFilter, params: {{{low}}}}}
    edges:
      - {{source: lsl, target: band}}
      - {{source: band, target: size}}
      - {{source: size, target: low}}
      - {{source: low, target: osc}}
"""


def _start(rate: float, nodes: str, **settings: str) -> Callable[[Stage], None]:
    def begin(stage: Stage) -> None:
        graph = stage.folder / "alpha.yaml"
        head = _HEAD.format(rate=rate, stream=stage.stream, port=stage.port)
        graph.write_text(head + nodes.format(**settings), encoding="utf-8")
        python = environments.python("timeflux")
        stage.run(python.with_name("timeflux"), graph, PYLSL_LIB=str(_liblsl()))

    return begin


def _liblsl() -> Path:
    """Return the library of the project's own pylsl: the pylsl that Timeflux needs comes without."""
    import pylsl

    folder = Path(pylsl.__file__).parent / "lib"
    return next(iter(sorted(folder.glob("*lsl*.so")) or sorted(folder.glob("*lsl*.d*"))))


def _peer(key: str, setting: str, about: str, start: Callable[[Stage], None], power: bool = True) -> Peer:
    reading = by_position("/alpha", CHANNELS)
    return Peer(
        *(key, "Timeflux", setting, about, "named", start, reading, power), "timeflux", version=VERSION, cores=0.2
    )


def _windowed(samples: int) -> Callable[[Stage], None]:
    return _start(
        *(100, _WELCH),
        window=f"length: {samples}, step: 1, index: sample",
        welch=f"nperseg: {samples}, noverlap: 0",
        bands="bands: {alpha: [8, 13]}",
    )


PEERS = (
    _peer(
        "timeflux",
        "as documented",
        "the main graph of its use case “A neurofeedback app”: window 1.5 s every 0.5 s, Welch and Bands as they come",
        _start(25, _WELCH, window="length: 1.5, step: 0.5", welch="", bands=""),
    ),
    _peer(
        "timeflux-1s",
        "window 1 s",
        "one segment of 1 s, at each cycle, 100 a second",
        _windowed(round(RATE_HZ)),
    ),
    _peer("timeflux-tuned", "window 0.4 s", "one segment of 0.4 s, at each cycle", _windowed(round(RATE_HZ * BEST_S))),
    _peer(
        "timeflux-filters",
        "filters instead of Welch",
        "the script's tuned Butterworth filters as a graph: IIRFilter, absolute value, IIRFilter",
        _start(
            *(100, _FILTERS),
            band="order: 1, frequencies: [8, 13], filter_type: bandpass",
            size="method: numpy.absolute, apply_type: universal",
            low="order: 2, frequencies: [4], filter_type: lowpass",
        ),
        power=False,
    ),
)
