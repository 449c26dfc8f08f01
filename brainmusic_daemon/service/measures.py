"""A running daemon in, everything about it that can be measured out, as Prometheus' families; not from the tick."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from brainmusic_daemon import __version__
from brainmusic_daemon.acquisition.supervisor import SourceState
from brainmusic_daemon.api import State
from brainmusic_daemon.service.exposition import Family, Sample, by_label, counter, gauge, histogram, histograms, info

if TYPE_CHECKING:
    from brainmusic_daemon.service.daemon import Daemon

_PRESENT = ("listening", "running", "samplerate", "latency_s", "load", "instrument_latency_s", "instrument_load")
"""What outputs tell beside their counts: how things are now."""


def collect(daemon: Daemon) -> Iterator[Family]:
    """Give all families."""
    yield info(
        "brainmusic_build", "Versions.", version=__version__, python=platform.python_version(), system=platform.system()
    )
    yield from _process()
    yield from _timing(daemon)
    yield from _signal(daemon)
    yield from _music(daemon)
    yield from _outputs(daemon)
    yield from _front_ends(daemon)


def _process() -> Iterator[Family]:
    yield counter("process_cpu_seconds", "CPU time of all threads, user and system.", time.process_time())
    if (resident := resident_bytes()) is not None:
        yield gauge("process_resident_memory_bytes", "Memory in use.", resident)


def _timing(daemon: Daemon) -> Iterator[Family]:
    session, ticker, settings = daemon.session, daemon.ticker, daemon.config.features
    yield gauge("brainmusic_uptime_seconds", "Session time.", daemon.clock.now())
    yield gauge("brainmusic_tick_period_seconds", "Period of the tick.", daemon.config.tick)
    bank = session.pipeline.bank
    delays = dict(bank.delays) if bank is not None else {}
    delays = {band: delays.get(band, settings.delay_ms / 1000) for band in settings.bands}
    text = (
        "Designed delay of a band's kernels: what happened in the signal is at full size in the features so much later."
    )
    yield by_label("gauge", "brainmusic_analysis_delay_seconds", text, "band", delays)
    text = "Newest sample to the last datagram of its tick: all outputs were handed the frame."
    yield histogram("brainmusic_latency_seconds", text, session.latency)
    if session.ages is not None:
        text = "Every sample, the newest of its tick or not, to the last datagram of its tick."
        yield histogram("brainmusic_sample_age_seconds", text, session.ages.every)
        text = "The newest sample's way, stage by stage: source, ring, features, mapper, output; they add up."
        yield histograms("brainmusic_stage_seconds", text, "stage", session.ages.stages)
    yield histogram("brainmusic_tick_lateness_seconds", "Beginning of a tick after its deadline.", ticker.lateness)
    yield histogram("brainmusic_tick_duration_seconds", "Work of a tick.", ticker.duration)
    text = "Ticks; late: begun over 2 ms after the deadline; missed: skipped; failed: raised an error."
    counted = {"all": ticker.ticks, **_of(ticker.counters(), "late", "missed", "failed")}
    yield by_label("counter", "brainmusic_ticks", text, "kind", counted)


def _of(counters: Mapping[str, float], *names: str) -> dict[str, float]:
    return {name: counters[name] for name in names}


def _signal(daemon: Daemon) -> Iterator[Family]:
    acquisition, frame = daemon.session.acquisition, daemon.session.frame
    state = frame.features.state if frame is not None else None
    text = "What the music does with the signal: 1 for the state it is in."
    yield by_label("gauge", "brainmusic_state", text, "state", {str(each): float(each is state) for each in State})
    text = "The source: 1 for the state it is in."
    there = {each.name.lower(): float(each is acquisition.state) for each in SourceState}
    yield by_label("gauge", "brainmusic_source_state", text, "state", there)
    details = acquisition.setup.info
    if details is not None:
        about = {"name": details.name, "channels": str(len(details.channels)), "samplerate": f"{details.samplerate:g}"}
        yield info("brainmusic_source", "The headset.", **about)
    if acquisition.battery is not None:
        yield gauge("brainmusic_battery_ratio", "Charge of the headset, 0 to 1.", acquisition.battery / 100)
    text = "Samples taken, and what was repaired, lost or dropped on the way; reconnects; outputs that raised an error."
    yield by_label("counter", "brainmusic_source_events", text, "event", daemon.session.counters())
    if frame is not None and len(frame.features.channels):
        quality = dict(zip(frame.features.channels, map(float, frame.features.quality), strict=True))
        yield by_label("gauge", "brainmusic_quality", "0 unusable to 1 good, per electrode.", "channel", quality)


def _music(daemon: Daemon) -> Iterator[Family]:
    host, sounding, recorder = daemon.session.pipeline.host, daemon.sounding, daemon.recorder
    about = {"mapper": host.playing.name, "wanted": host.wanted.name, "preset": daemon.mappers.history.step.preset}
    yield info("brainmusic_mapper", "What plays, and what was asked for.", **about)
    happened = {"swaps": host.swaps, "faults": host.faults, "refused": daemon.mappers.refusals}
    text = "Mappers that took over, that failed while playing, that were refused before."
    yield by_label("counter", "brainmusic_mapper_events", text, "event", happened)
    silent = {"muted": float(sounding.muted), "panic": float(sounding.panicked)}
    yield by_label("gauge", "brainmusic_silenced", "1 where a user has asked for silence.", "by", silent)
    recording = recorder.status
    yield gauge("brainmusic_recording", "1 while a recording runs.", float(recording is not None))
    shown = recording or recorder.last
    if shown is not None:
        yield gauge("brainmusic_recording_seconds", "Length of this recording, or of the last one.", shown.seconds)
        yield gauge("brainmusic_recording_bytes", "Its size.", shown.bytes)
        yield gauge("brainmusic_recording_lost_samples", "Samples that it lost: disk full or too slow.", shown.lost)
        yield gauge("brainmusic_recording_trouble", "1 while nothing can be written.", float(bool(shown.trouble)))


def _outputs(daemon: Daemon) -> Iterator[Family]:
    up = {name: float(name not in daemon.host.lost and name in daemon.host.tried) for name in daemon.config.outputs}
    yield by_label("gauge", "brainmusic_output_up", "1 where an output is open.", "output", up)
    counts: list[Sample] = []
    present: list[Sample] = []
    for output, counters in daemon.host.counters().items():
        for name, value in counters.items():
            what, _, target = name.partition(".")
            labels = {"output": output, "what": what} | ({"target": target} if target else {})
            (present if what in _PRESENT else counts).append((labels, float(value)))
    text = "What went out, and everything that went wrong, since the output was opened; by OSC target where known."
    yield Family("brainmusic_output_events_total", "counter", text, tuple(counts))
    yield Family(
        "brainmusic_output_present", "gauge", "How an output is now: load, latency, listeners.", tuple(present)
    )


def _front_ends(daemon: Daemon) -> Iterator[Family]:
    commanded, heard, web = daemon.control.counters(), daemon.osc_in.counters(), daemon.web.counters()
    refused = {name.removeprefix("refused."): n for name, n in commanded.items() if name.startswith("refused.")}
    text = "Commands of all front ends that were refused, by reason."
    yield by_label("counter", "brainmusic_commands_refused", text, "reason", refused)
    text = "Commands carried out; values of knobs that a newer one overtook."
    yield by_label("counter", "brainmusic_commands", text, "kind", _of(commanded, "done", "replaced"))
    yield counter("brainmusic_control_messages", "OSC messages that came.", heard["received"])
    wrong = {name: n for name, n in heard.items() if name not in ("port", "received")}
    text = "What was wrong with OSC that came, by reason; malformed also by what is wrong with it."
    yield by_label("counter", "brainmusic_control_wrong", text, "reason", wrong)
    ports = {"control": heard["port"], "web": web["port"]}
    yield by_label("gauge", "brainmusic_port", "Where it listens; 0: nowhere.", "for", ports)
    turned = {name: n for name, n in web.items() if name != "port"}
    yield by_label("counter", "brainmusic_web_refused", "HTTP requests turned away, by reason.", "reason", turned)


def resident_bytes() -> float | None:
    """Return the memory in use; its peak where the system tells no more; None where it tells nothing."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        import resource

        return float(pages * resource.getpagesize())
    except (OSError, ValueError, IndexError, ImportError):
        pass
    try:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return float(peak if sys.platform == "darwin" else peak * 1024)
    except ImportError:
        return None
