"""Configuration and registry: what is accepted, and that every mistake is named at once with a way out."""

from __future__ import annotations

import importlib
import math
import tomllib
from dataclasses import field
from pathlib import Path
from typing import Any

import pytest

from brainmusic_daemon import config, registry, sections
from brainmusic_daemon.api import ConfigError, plugin
from brainmusic_daemon.mapping.direct import Direct
from brainmusic_daemon.mapping.route import DEFAULTS, check

BUNDLED = sorted(path.stem for path in config.folder().glob("*.toml"))
PLAIN: dict[str, Any] = {"source": {"kind": "recording", "path": "some.xdf"}, "output": {"osc": {}}}


def message(tables: dict[str, Any] | None = None, **arguments: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        config.resolve(tables) if tables is not None else config.load(**arguments)
    assert caught.value.exit_code == 2
    return str(caught.value)


def write(folder: Path, text: str) -> Path:
    path = folder / "my.toml"
    path.write_text(text, encoding="utf-8")
    return path


# --- the bundled configurations ---


def test_all_the_promised_configurations_are_bundled() -> None:
    promised = "default lsl muse openbci-cyton brainflow-synthetic supercollider max puredata"
    assert {*promised.split()} <= {*BUNDLED}


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_configurations_load(name: str) -> None:
    loaded = config.load(name)
    assert loaded.outputs and loaded.tick == 0.02
    assert loaded.mapper.controls
    if isinstance(loaded.mapper, Direct):
        assert not any(route.freeze for route in loaded.mapper.routes.values())


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_configurations_say_first_whom_they_are_for_and_are_ascii(name: str) -> None:
    text = (config.folder() / f"{name}.toml").read_text(encoding="utf-8")
    assert text.startswith("# For ") and text.isascii()


def test_the_written_routes_are_the_default_wiring() -> None:
    written = tomllib.loads((config.folder() / "default.toml").read_text(encoding="utf-8"))["mapper"]["routes"]
    assert check(written) == check({})
    assert [*written] == [*DEFAULTS]


def test_the_comments_of_the_default_name_every_setting_of_a_route() -> None:
    from brainmusic_daemon.mapping.route import Route

    text = (config.folder() / "default.toml").read_text(encoding="utf-8")
    names = {field.alias or name for name, field in Route.model_fields.items()} - {"[control]", "enabled"}
    assert all(f"\n#   {name} " in text for name in names)


# --- loading ---


def test_a_path_a_bare_name_and_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "[source]\nkind = 'recording'\npath = 'x.xdf'\n[session]\ntick_ms = 10\n")
    assert config.load(path).tick == 0.01 and config.load(str(path)).origin == str(path)
    assert config.load("default").origin == config.load().origin == str(config.folder() / "default.toml")


def test_a_file_that_is_not_there_lists_the_bundled_names() -> None:
    text = message(file="defualt")
    assert "'defualt'" in text and all(name in text for name in BUNDLED)
    assert "no configuration" in message(file="missing/default")


def test_broken_files_are_named_with_the_place(tmp_path: Path) -> None:
    assert "line 2" in message(file=write(tmp_path, "[source]\nkind = \n"))
    path = tmp_path / "latin.toml"
    path.write_bytes(b"name = '\xe9'")
    assert str(path) in message(file=path) and "cannot read" in message(file=path)


def test_files_made_by_windows_editors_load(tmp_path: Path) -> None:
    path = tmp_path / "bom.toml"
    path.write_bytes(b"\xef\xbb\xbf[source]\r\nkind = 'recording'\r\npath = 'x.xdf'\r\n")
    assert config.load(path).tables["source"]["path"] == "x.xdf"


def test_ten_mistakes_are_reported_at_once() -> None:
    text = message(
        {
            "sorce": {},
            "session": {"tick_ms": 100, "tick_sm": 3},
            "features": {"delay_ms": "soon", "bands": {"alpha": [13, 8]}},
            "quality": {"good_share": 2},
            "baseline": 3,
            "source": {"kind": "recording", "pth": "x.xdf"},
            "mapper": {"kind": "direct", "routes": {"loudnes": {"from": "alpha"}, "tempo": {"form": "beta"}}},
            "output": {"osc": {"target": ["127.0.0.1:1"]}, "csv": {}, "auido": {}},
        }
    )
    places = [
        ("sorce", "did you mean 'source'"),
        ("session.tick_ms", "less than 100, got 100"),
        ("session.tick_sm", "did you mean 'tick_ms'"),
        ("features.delay_ms", "got 'soon'"),
        ("quality.good_share", "got 2"),
        ("baseline", "[baseline]"),
        ("source.pth", "did you mean 'path'"),
        ("source.path", "needs the setting 'path'"),
        ("mapper.routes.loudnes", "did you mean 'loudness'"),
        ("mapper.routes.tempo.form", "did you mean 'from'"),
        ("output.osc.target", "did you mean 'targets'"),
        ("output.csv.path", "needs the setting 'path'"),
        ("output.auido.kind", "there is no output 'auido'"),
    ]
    lines = text.splitlines()
    assert lines[0].startswith(f"{len(places)} problems") or lines[0].startswith(f"{len(places) + 1} problems")
    for place, part in places:
        assert any(line.strip().startswith(f"{place}: ") and part in line for line in lines), (place, text)
    assert "Traceback" not in text and "alue error" not in text


def test_one_mistake_is_one_problem() -> None:
    assert message({**PLAIN, "session": {"tick_ms": 1}}).startswith("1 problem in")


@pytest.mark.parametrize(
    ("tables", "part"),
    [
        ({"features": {"bands": {}}}, "at least one band"),
        ({"features": {"bands": {"alpha": [13, 8]}}}, "the lower edge comes first"),
        ({"features": {"bands": {"my band": [8, 13]}}}, "letters, digits and _ only"),
        ({"features": {"bands": {"alpha": [8]}}}, "features.bands.alpha"),
        ({"session": {"patience_s": math.nan}}, "session.patience_s"),
        ({"features": {"kernel_s": math.nan}}, "features.kernel_s"),
        ({"features": {"delay_ms": math.inf}}, "features.delay_ms"),
        ({"baseline": {"memory_s": math.nan}}, "baseline.memory_s"),
        ({"quality": {"rail_uv": "5"}}, None),  # pydantic reads numbers in quotes: harmless
        ({"session": []}, "is a table: write [session]"),
        ({"source": "lsl"}, 'needs kind = "…"'),
        ({"source": {}}, 'needs kind = "…"'),
        ({"source": {"kind": 3}}, 'needs kind = "…"'),
        ({"output": 3}, "outputs are named tables"),
        ({"output": {"osc": 3}}, "output.osc"),
        ({"output": {"osc": {"enabled": "no"}}}, "output.osc.enabled"),
        ({"mapper": {"kind": "drect"}}, "did you mean 'direct'"),
    ],
)
def test_single_mistakes(tables: dict[str, Any], part: str | None) -> None:
    merged = {**PLAIN, **tables}
    if part is None:
        config.resolve(merged)
    else:
        assert part in message(merged)


def test_everything_may_be_left_out_but_the_source_and_the_defaults_are_stated() -> None:
    made = config.resolve({"source": PLAIN["source"]})
    assert made.session.tick_ms == 20 and made.features.bands == dict(sections.BANDS) and made.outputs == {}


# --- outputs ---


def test_outputs_are_named_and_switched_off_one_by_one() -> None:
    made = config.resolve(
        {**PLAIN, "output": {"osc": {"enabled": True}, "second": {"kind": "osc"}, "csv": {"enabled": False}}}
    )
    assert [*made.outputs] == ["osc", "second"]


def test_set_switches_an_output_off(tmp_path: Path) -> None:
    path = write(tmp_path, "[source]\nkind = 'recording'\npath = 'x.xdf'\n[output.osc]\n")
    assert [*config.load(path).outputs] == ["osc"]
    assert not config.load(path, ["output.osc.enabled=false"]).outputs


def test_an_output_never_writes_over_the_recording_or_another_output() -> None:
    tables = {
        "source": {"kind": "recording", "path": "me.csv"},
        "output": {
            "csv": {"path": "./me.csv"},
            "a": {"kind": "wav", "path": "x.wav"},
            "b": {"kind": "wav", "path": "x.wav"},
        },
    }
    with pytest.raises(
        ConfigError, match=r"(?s)output\.csv\.path: is the file of source too.*output\.b\.path: is the file of"
    ):
        config.resolve(tables)


# --- --set ---


@pytest.mark.parametrize(
    ("text", "section", "key", "value"),
    [
        ("session.tick_ms=10", "session", "tick_ms", 10.0),
        ("session.tick_ms = 10.5", "session", "tick_ms", 10.5),
        ("features.montage=biosemi64", "features", "montage", "biosemi64"),
        ('features.montage="a = b"', "features", "montage", "a = b"),
        ("features.montage=a = b", "features", "montage", "a = b"),
        ("session.status=false", "session", "status", False),
        ("session.patience_s=inf", "session", "patience_s", math.inf),
        ('features.exclude=["A1", "A2"]', "features", "exclude", ["A1", "A2"]),
        ("features.reference=average", "features", "reference", "average"),
    ],
)
def test_set_takes_toml_values_and_bare_words(tmp_path: Path, text: str, section: str, key: str, value: Any) -> None:
    path = write(tmp_path, "[source]\nkind = 'recording'\npath = 'x.xdf'\n")
    assert getattr(getattr(config.load(path, [text]), section), key) == value


def test_set_reaches_into_tables_that_are_not_there_yet_and_the_last_wins(tmp_path: Path) -> None:
    path = write(tmp_path, "[source]\nkind = 'recording'\npath = 'x.xdf'\n")
    made = config.load(path, ["features.bands.mu=[9, 11]", "session.tick_ms=5", "session.tick_ms=7"])
    assert made.features.bands == {"mu": (9.0, 11.0)} and made.session.tick_ms == 7
    assert config.load(path, ["mapper.routes.loudness.gain=2"]).mapper.routes["loudness"].gain == 2  # type: ignore[attr-defined]
    assert config.load(path, ["mapper.routes.z.0.from=alpha"]).mapper.controls[0].name == "z.0"


@pytest.mark.parametrize(
    "text", ["", "session.tick_ms", "tick_ms=10", "=10", ".tick_ms=10", "session.=10", "session..x=1"]
)
def test_set_in_another_form_is_explained(text: str) -> None:
    assert "section.key=value" in message(file="default", overrides=[text])


def test_set_through_a_value_is_explained() -> None:
    assert "'tick_ms' is a value" in message(file="default", overrides=["session.tick_ms=5", "session.tick_ms.x=1"])


def test_tables_replace_whole_sections(tmp_path: Path) -> None:
    path = write(tmp_path, "[source]\nkind = 'recording'\npath = 'x.xdf'\n[output.osc]\n")
    made = config.load(path, tables={"output": {"csv": {"path": "x.csv"}}})
    assert [*made.outputs] == ["csv"]


# --- registry ---


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_plugin_loads_and_explains_its_settings(kind: str) -> None:
    for name in registry.names(kind):
        cls = registry.find(kind, name)
        assert cls.__doc__ and not cls.__doc__.startswith(f"{cls.__name__}("), f"{kind} '{name}' has no help"
        assert not any(setting.startswith("_") for setting in registry.settings_of(cls))


def test_private_state_may_be_annotated_for_type_checkers_only() -> None:
    @plugin
    class Lazy:
        """A plug-in whose library is imported late."""

        level: int = 1
        _library: Unimported | None = field(init=False, default=None)  # type: ignore[name-defined]  # noqa: F821

    assert registry._hints(Lazy, registry.settings_of(Lazy)) == {"level": int}


def test_plugins_are_found_by_file() -> None:
    assert "direct" in registry.names("mapper") and "osc" in registry.names("output")
    assert "smoothing" not in registry.names("mapper")


def test_a_missing_dependency_is_told_from_a_missing_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> Any:
        raise ModuleNotFoundError("No module named 'torch'", name="torch.nn")

    registry._installed.cache_clear()
    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(ConfigError, match=r"needs the package 'torch': pip install .*\[neural\]"):
        registry.find("mapper", "direct")
    registry._installed.cache_clear()


def test_nothing_near_lists_what_there_is() -> None:
    assert "direct" in registry.did_you_mean("xyz", ["direct", "linear"])
    assert registry.did_you_mean("xyz", []) == ""
