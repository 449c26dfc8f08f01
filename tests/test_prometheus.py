"""Metrics as Prometheus reads them, and whether the daemon is well as whoever restarts it reads that."""

from __future__ import annotations

import json
import math
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families as parse

from brainmusic_daemon import __version__
from brainmusic_daemon.api import State
from brainmusic_daemon.service import exposition, measures
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.exposition import Family
from brainmusic_daemon.service.metrics import Histogram
from tests import daemons
from tests.receivers import wait_for

WEB = ("web.enabled=true", "web.port=0")


def get(daemon: Daemon, path: str, **headers: str) -> tuple[int, str, str]:
    """Return (status, type, text) of a page of this daemon."""
    request = urllib.request.Request(f"http://127.0.0.1:{daemon.web.port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.headers["content-type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["content-type"], error.read().decode()


def read(text: str) -> dict[str, Metric]:
    """Return the families that Prometheus' own parser finds, each there once."""
    families = list(parse(text))
    assert len({family.name for family in families}) == len(families)
    return {family.name: family for family in families}


def values(family: Metric, label: str) -> dict[str, float]:
    return {sample.labels[label]: sample.value for sample in family.samples}


# --- the format -------------------------------------------------------------------------------------------------------


@given(st.text(), st.text(), st.floats(allow_nan=False, allow_infinity=False))
def test_whatever_a_label_or_a_help_holds_is_read_back(text: str, about: str, value: float) -> None:
    family = Family("a_gauge", "gauge", about, (({"label": text}, value),))
    lines = exposition.render([family]).split("\n")
    if "\r" in text + about:  # Prometheus ends lines at line feeds alone, its Python parser elsewhere too
        assert len(lines) == 4
        return
    (found,) = parse("\n".join(lines))
    (sample,) = found.samples
    assert sample.labels == {"label": text} and sample.value == value


@given(st.lists(st.floats(1e-7, 100.0), max_size=50))
def test_histograms_are_cumulative_and_complete(durations: list[float]) -> None:
    histogram = Histogram()
    for seconds in durations:
        histogram.add(seconds)
    (family,) = parse(exposition.render([exposition.histogram("h_seconds", "", histogram)]))
    buckets = [(float(s.labels["le"]), s.value) for s in family.samples if s.name == "h_seconds_bucket"]
    others = {s.name: s.value for s in family.samples if s.name != "h_seconds_bucket"}
    assert [edge for edge, _ in buckets] == sorted({edge for edge, _ in buckets}) and buckets[-1][0] == math.inf
    assert others["h_seconds_count"] == buckets[-1][1] == len(durations)
    assert others["h_seconds_sum"] == pytest.approx(sum(durations))
    for edge, count in buckets:
        clear = [d for d in durations if not math.isclose(d, edge, rel_tol=1e-3)]  # one that lies on an edge is either
        assert sum(d < edge for d in clear) <= count <= sum(d < edge for d in clear) + len(durations) - len(clear)


def test_a_histogram_that_is_written_meanwhile_is_of_one_piece() -> None:
    histogram, stop = Histogram(), threading.Event()

    def add() -> None:
        while not stop.is_set():
            histogram.add(0.003)

    writer = threading.Thread(target=add)
    writer.start()
    for _ in range(200):
        counts = [count for _, count in histogram.cumulative()]
        assert counts == sorted(counts)
    stop.set()
    writer.join()


def test_what_cannot_be_drawn_is_left_out() -> None:
    family = exposition.by_label("gauge", "g", "", "of", {"a": math.nan, "b": math.inf, "c": 1.5})
    assert exposition.render([family]) == '# HELP g \n# TYPE g gauge\ng{of="c"} 1.5\n'
    assert exposition.render([exposition.gauge("g", "", math.nan)]) == "\n"[1:]


@pytest.mark.parametrize(("name", "kind"), [("a-b", "gauge"), ("1a", "gauge"), ("a", "counter"), ("a_total", "gauge")])
def test_names_are_those_of_their_kind(name: str, kind: exposition.Kind) -> None:
    with pytest.raises(ValueError, match="no name"):
        Family(name, kind, "")


# --- a daemon ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running() -> Iterator[Daemon]:
    with daemons.daemon(*WEB, name="measured") as daemon:
        wait_for(lambda: daemon.web.port and daemon.session.frame and daemon.host.all_tried)
        yield daemon


def test_everything_is_there_and_prometheus_reads_it(running: Daemon) -> None:
    wait_for(lambda: running.session.latency.count > 20)
    status, kind, text = get(running, "/metrics")
    assert status == 200 and kind == "text/plain; version=0.0.4; charset=utf-8"
    found = read(text)
    states = values(found["brainmusic_state"], "state")
    assert {*states} == {str(state) for state in State} and sum(states.values()) == 1
    assert found["brainmusic_build_info"].samples[0].labels["version"] == __version__
    assert found["brainmusic_mapper_info"].samples[0].labels["mapper"] == "direct"
    assert values(found["brainmusic_analysis_delay_seconds"], "band")["alpha"] == pytest.approx(0.075)
    assert values(found["brainmusic_source_state"], "state")["streaming"] == 1
    assert values(found["brainmusic_source_events"], "event").items() >= {"gaps": 0, "reconnects": 0}.items()
    for name in ("brainmusic_latency_seconds", "brainmusic_tick_lateness_seconds", "brainmusic_tick_duration_seconds"):
        samples = {s.name.removeprefix(name): s.value for s in found[name].samples}
        assert found[name].type == "histogram" and samples["_count"] > 10 and samples["_sum"] > 0
    assert found["process_resident_memory_bytes"].samples[0].value > 20e6
    assert found["process_cpu_seconds"].samples[0].value > 0.1
    assert 0 < found["brainmusic_uptime_seconds"].samples[0].value < 300
    assert all(family.documentation for family in found.values())


def test_counters_count(running: Daemon) -> None:
    before = read(get(running, "/metrics")[2])
    with daemons.client(running.osc_in.port) as client:
        client.ask("/brainmusic/ping")
        client.ask("/brainmusic/rate", "much")
        client.socket.send(b"nonsense")
        wait_for(lambda: running.osc_in.counters().get("malformed"))
    running.control.ask("mapper.load", ["no-such-mapper"])
    get(running, "/metrics", Host="evil.example")
    after = read(get(running, "/metrics")[2])

    def more(name: str, label: str, key: str) -> float:
        old = values(before[name], label).get(key, 0) if name in before else 0
        return values(after[name], label)[key] - old

    assert more("brainmusic_control_wrong", "reason", "malformed") == 1
    assert more("brainmusic_control_wrong", "reason", "type") == 1
    assert more("brainmusic_commands_refused", "reason", "type") == 1
    assert more("brainmusic_commands", "kind", "done") >= 1
    assert more("brainmusic_mapper_events", "event", "refused") == 1
    assert more("brainmusic_web_refused", "reason", "host") == 1
    sent = {(s.labels["what"], s.labels.get("target", "")): s.value for s in after["brainmusic_output_events"].samples}
    assert sent["sent", ""] > 10
    assert any(what == "refused" and target.startswith("127.0.0.1:") for what, target in sent)
    present = {s.labels["what"]: s.value for s in after["brainmusic_output_present"].samples}
    assert present["listening"] == 0  # nobody is at the target


def test_it_is_well_while_it_ticks_and_its_outputs_are_there(running: Daemon) -> None:
    status, kind, text = get(running, "/healthz")
    said = json.loads(text)
    assert (status, kind, said["status"], said["reasons"]) == (200, "application/json", "ok", [])
    assert said["name"] == "measured" and said["mapper"] == "direct"
    running.host.lost["osc"] = "the network is away"
    try:
        status, _, text = get(running, "/healthz")
        assert status == 503 and json.loads(text)["reasons"] == ["output 'osc': the network is away"]
        up = values(read(get(running, "/metrics")[2])["brainmusic_output_up"], "output")
        assert up == {"osc": 0}
    finally:
        del running.host.lost["osc"]


def test_a_stuck_tick_is_no_health(running: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = threading.Event()

    def stuck(deadline: float) -> None:
        let_go.wait(20)

    monkeypatch.setattr(running.ticker, "_work", stuck)
    try:
        wait_for(lambda: get(running, "/healthz")[0] == 503)
        assert json.loads(get(running, "/healthz")[2])["reasons"][0].startswith("no tick for")
        assert get(running, "/metrics")[0] == 200
    finally:
        monkeypatch.undo()
        let_go.set()
    wait_for(lambda: get(running, "/healthz")[0] == 200)


def test_without_the_token_health_is_a_word_and_metrics_are_nothing() -> None:
    with daemons.daemon(*WEB, "web.token=a-token-to-test", name="secret") as daemon:
        wait_for(lambda: daemon.web.port and get(daemon, "/healthz")[0] == 200)
        assert get(daemon, "/healthz")[2] == '{"status":"ok"}'
        assert json.loads(get(daemon, "/healthz?token=a-token-to-test")[2])["name"] == "secret"
        assert get(daemon, "/metrics")[0] == get(daemon, "/metrics?token=another")[0] == 401
        assert get(daemon, "/metrics", Authorization="Bearer a-token-to-test")[0] == 200


def test_before_there_is_a_headset_nothing_is_missing(running: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = Daemon(running.config)  # made, not run
    found = read(exposition.render(measures.collect(fresh)))
    assert sum(values(found["brainmusic_state"], "state").values()) == 0
    assert "brainmusic_source_info" not in found and values(found["brainmusic_output_up"], "output") == {"osc": 0}


def test_a_recording_is_told(running: Daemon, tmp_path: object) -> None:
    running.recorder.start(f"{tmp_path}/take.xdf")
    wait_for(lambda: running.recorder.status and running.recorder.status.seconds > 0.1)
    found = read(get(running, "/metrics")[2])
    running.recorder.stop()
    assert found["brainmusic_recording"].samples[0].value == 1
    assert found["brainmusic_recording_lost_samples"].samples[0].value == 0
    assert read(get(running, "/metrics")[2])["brainmusic_recording"].samples[0].value == 0


def test_status_has_the_same_for_machines(running: Daemon) -> None:
    data = running.control.ask("status", []).data
    json.dumps(data, allow_nan=False)
    for name in ("latency", "lateness", "duration"):
        found = data["histograms"][name]
        counts = [count for _, count in found["buckets"]]
        assert found["buckets"][-1][0] is None and counts == sorted(counts) and counts[-1] > 10
        assert found["sum_s"] > 0
    assert data["versions"]["brainmusic"] == __version__ and data["web"]["port"] == running.web.port
    assert data["state"] in {str(state) for state in State} and data["latency"]["p99_ms"] > 0
