"""The neural mapper: the network of the file, in NumPy as in PyTorch; TorchScript modules; what is no such thing."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
import tomllib
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmusic_daemon import choice, config
from brainmusic_daemon.api import CONTROL, ConfigError, Features, Mapper, State
from brainmusic_daemon.mapping import model_file, terms
from brainmusic_daemon.mapping.model import ACTIVATIONS, Model
from brainmusic_daemon.mapping.neural import Neural
from brainmusic_daemon.mapping.perceptron import Perceptron
from brainmusic_daemon.registry import SettingErrors, build
from tests import parts

NAMES = ("delta", "theta", "alpha", "beta", "gamma", "engagement", "activation", "theta_alpha", "asymmetry")


def features(names: tuple[str, ...] = NAMES, values: Any = None) -> Features:
    index = {name: place for place, name in enumerate(names)}
    made = np.full(len(names), 0.5) if values is None else np.array(values, np.float64)
    return Features(0.0, 0.0, names, made, index, (), np.zeros(0), State.GOOD)


def neural(toml: str = "", names: tuple[str, ...] = NAMES) -> Neural:
    mapper = build("mapper", "neural", tomllib.loads(toml), "mapper")
    assert isinstance(mapper, Neural)
    mapper.prepare(names, 0.02)
    return mapper


def problem(toml: str, names: tuple[str, ...] = NAMES) -> str:
    with pytest.raises((SettingErrors, ConfigError)) as caught:
        neural(toml, names)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def network(
    names: tuple[str, ...] = NAMES, hidden: tuple[int, ...] = (64, 64), activation: str = "tanh", seed: int = 0
) -> Model:
    """Return a network that nobody taught anything; all the same it uses most of its controls' ranges."""
    rng, controls = np.random.default_rng(seed), tuple(CONTROL.values())
    sizes = (len(names), *hidden, len(controls))
    layers = [
        (rng.normal(size=(sizes[i], sizes[i + 1])) / sizes[i] ** 0.5, 0.1 * rng.normal(size=sizes[i + 1]))
        for i in range(len(sizes) - 1)
    ]
    spans = np.array([c.high - c.low for c in controls])
    w, b = layers[-1]
    layers[-1] = (0.3 * w * spans, b * spans + [(c.low + c.high) / 2 for c in controls])
    mean, scale = 0.4 + 0.2 * rng.random(len(names)), 0.1 + 0.1 * rng.random(len(names))
    return Model("neural", names, controls, mean, scale, tuple(layers), activation, 0.2)


@pytest.fixture
def torch() -> Iterator[Any]:
    try:
        import torch
    except ImportError:
        parts.require(None, "the extra 'neural' (PyTorch)")
    with warnings.catch_warnings():  # torch would have other formats than TorchScript
        warnings.simplefilter("ignore", DeprecationWarning)
        yield torch


# --- models ---


def test_a_small_network_needs_no_thread_of_its_own_and_what_torch_runs_has_one(
    tmp_path: Path, torch: Any, script: Callable[..., Path]
) -> None:
    """A hand-over to another thread may take milliseconds where the machine is busy, and the network takes 7 µs."""
    mapper = neural()
    assert isinstance(mapper, Mapper) and mapper.bounded
    large = model_file.save(tmp_path / "large.safetensors", network(hidden=(512, 512)))
    others = (f"model = '{large}'\n", "engine = 'torch'\n", SCRIPTED.format(script(_sequential(torch))))
    assert not any(neural(settings).bounded for settings in others)
    assert mapper.files == (terms.bundled("neural.safetensors"),) and not mapper.remarks


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [(5,), (64, 64), (8, 16, 4)])
def test_numpy_and_torch_play_the_same(tmp_path: Path, torch: Any, activation: str, hidden: tuple[int, ...]) -> None:
    path = model_file.save(tmp_path / "m.safetensors", network(hidden=hidden, activation=activation))
    one, two = neural(f"model = '{path}'"), neural(f"model = '{path}'\nengine = 'torch'")
    rng, moved = np.random.default_rng(1), set()
    for _ in range(10):
        now = features(values=rng.random(len(NAMES)) * (1 if moved else 5))  # far beyond what it has seen, too
        a, b = one.map(now), two.map(now)
        assert [*a] == [*b] == [*CONTROL]
        for name, control in CONTROL.items():
            assert a[name] == pytest.approx(b[name], abs=1e-5 * (control.high - control.low))
            assert control.low <= a[name] <= control.high
        moved.add(a["tempo"])
        assert one.explain(now) == two.explain(now)
    assert len(moved) == 10


def test_a_model_is_played_as_its_file_says(tmp_path: Path) -> None:
    model = network()
    mapper = neural(f"model = '{model_file.save(tmp_path / 'm.safetensors', model)}'")
    x = np.random.default_rng(2).random((10, len(NAMES)))
    low, high = np.array([(c.low, c.high) for c in CONTROL.values()]).T
    for row, wanted in zip(x, np.clip(model.predict(x), low, high), strict=True):
        assert np.allclose([*mapper.map(features(values=row)).values()], wanted, rtol=1e-9)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(ACTIVATIONS),
    st.sampled_from([(3,), (16, 16), (4, 8, 4)]),
    st.integers(0, 10**6),
    st.lists(st.floats(0, 1), min_size=len(NAMES), max_size=len(NAMES)),
)
def test_shares_sum_to_the_whole(activation: str, hidden: tuple[int, ...], seed: int, values: list[float]) -> None:
    model = network(hidden=hidden, activation=activation, seed=seed)
    player, x = Perceptron(model, np.arange(len(NAMES))), np.array(values)
    whole = player.output(x) - player.output(model.mean)
    spans = np.array([c.high - c.low for c in CONTROL.values()])
    assert np.allclose((player.moved(x) / spans).sum(0), whole / spans, atol=1e-9)


def test_shares_of_a_network_that_adds_are_those_of_its_parts() -> None:
    """One hidden unit per feature, so that each feature's share is known."""
    rng = np.random.default_rng(0)
    w, v = rng.normal(size=4), rng.normal(size=4)
    layers = ((np.diag(w), np.zeros(4)), (v[:, None], np.zeros(1)))
    model = Model("neural", NAMES[:4], (CONTROL["z.0"],), np.full(4, 0.5), np.full(4, 0.2), layers, "tanh")
    x = rng.random(4)
    z = (x - 0.5) / 0.2
    assert np.allclose(Perceptron(model, np.arange(4)).moved(x)[:, 0], np.tanh(z * w) * v, atol=1e-4)


def test_what_does_nothing_has_no_share_and_what_does_all_has_it_all() -> None:
    model = network()
    first = model.layers[0][0].copy()
    first[1:] = 0.0
    only = Model(
        "neural",
        NAMES,
        model.controls,
        model.mean,
        model.scale,
        ((first, model.layers[0][1]), *model.layers[1:]),
        "tanh",
    )
    player, x = Perceptron(only, np.arange(len(NAMES))), np.random.default_rng(0).random(len(NAMES))
    moved = player.moved(x)
    assert np.allclose(moved[0], player.output(x) - player.output(model.mean)) and not moved[1:].any()


def test_the_model_that_comes_along_says_what_a_musician_expects() -> None:
    mapper = neural()
    names = mapper.learned.features if mapper.learned else ()
    mapper.prepare(names, 0.02)

    def play(**given: float) -> Any:
        return mapper.map(features(names, [given.get(name, 0.5) for name in names]))

    opened = play(alpha=0.2, engagement=0.8, theta_alpha=0.6, activation=0.7, beta=0.6)
    closed = play(alpha=0.9, engagement=0.2, theta_alpha=0.3, activation=0.4, beta=0.4)
    for name in ("fundamental_frequency", "tempo", "loudness", "brightness", "density"):
        assert closed[name] < opened[name], name
    assert closed["reverb"] > opened["reverb"] and closed["attack_time"] > opened["attack_time"]
    alike = play(asymmetry=0.8, engagement=0.1)["mode"], play(asymmetry=0.8, engagement=0.9)["mode"]
    assert alike[1] > alike[0] + 0.03  # what no matrix can do: one feature decides how much another one counts


def test_features_that_are_missing_stand_at_their_mean_or_are_an_error(tmp_path: Path) -> None:
    model = network()
    path = model_file.save(tmp_path / "m.safetensors", model)
    fewer = tuple(name for name in NAMES if name != "delta")
    x = np.random.default_rng(0).random(len(fewer))
    for engine in ("numpy", "torch"):
        if engine == "torch":
            pytest.importorskip("torch", reason="needs the extra 'neural'")
        mapper = neural(f"model = '{path}'\nengine = '{engine}'", fewer)
        assert "1 of the 9 features" in mapper.remarks[0] and "delta" in mapper.remarks[0]
        wanted = model.predict(np.concatenate([[model.mean[0]], x])[None])[0]
        found = mapper.map(features(fewer, x))
        place = [*CONTROL].index("mode")
        assert found["mode"] == pytest.approx(np.clip(wanted[place], 0, 1), abs=1e-5)
        assert {feature for feature, _ in mapper.explain(features(fewer, x))} == {*fewer}
    said = problem(f"model = '{path}'", NAMES[:3])
    assert "6 of the 9 features" in said and "beta, gamma" in said


def test_it_is_quick_enough_for_every_tick() -> None:
    names = tuple(f"{band}.{n}" for band in ("delta", "theta", "alpha", "beta", "gamma") for n in range(64))
    player = Perceptron(network(names), np.arange(320))
    x, seconds = np.random.default_rng(0).random(320), []
    for _ in range(200):
        begin = time.perf_counter()
        player.output(x)
        player.moved(x)
        seconds.append(time.perf_counter() - begin)
    assert np.percentile(seconds, 20) < 1e-3  # the quickest fifth: what else runs here is not the mapper's


def test_without_torch_a_model_plays_and_what_needs_torch_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    assert neural().map(features())["tempo"] > 50
    assert "pip install 'brainmusic-daemon[neural]'" in problem("engine = 'torch'")


# --- TorchScript ---


@pytest.fixture
def script(tmp_path: Path, torch: Any) -> Callable[..., Path]:
    def made(module: Any, name: str = "m.pt") -> Path:
        torch.jit.save(torch.jit.script(module.eval()), tmp_path / name)
        return tmp_path / name

    return made


def _sequential(torch: Any, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2), torch.nn.Sigmoid())


SCRIPTED = "model = '{}'\nfeatures = ['alpha', 'beta', 'theta']\ndrives = ['tempo', 'latent.1']\n"


def test_a_module_plays_its_controls(torch: Any, script: Callable[..., Path]) -> None:
    module = _sequential(torch)
    path = script(module)
    mapper = neural(SCRIPTED.format(path))
    assert mapper.files == (path,) and not mapper.remarks
    values = np.random.default_rng(0).random(len(NAMES))
    now = features(values=values)
    with torch.no_grad():
        tempo, latent = module(torch.tensor([[now["alpha"], now["beta"], now["theta"]]], dtype=torch.float32))[0]
    assert mapper.map(now) == pytest.approx(
        {"tempo": 50 + 100 * float(tempo), "latent.1": -3 + 6 * float(latent)}, rel=1e-5
    )


def test_a_module_may_answer_in_units(torch: Any, script: Callable[..., Path]) -> None:
    class Fixed(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x):  # type: ignore[no-untyped-def]
            return torch.stack([80 + 20 * x[:, 0], x[:, 1] * 100], 1)

    mapper = neural(SCRIPTED.format(script(Fixed())) + "answers = 'units'")
    values = mapper.map(features())
    assert values == pytest.approx({"tempo": 90.0, "latent.1": 3.0})  # clipped
    shares = mapper.explain(features(values=np.full(len(NAMES), 0.75)))
    assert shares["alpha", "tempo"] == pytest.approx(20 * 0.25 / 100, abs=1e-6)
    assert shares["beta", "tempo"] == shares["theta", "latent.1"] == 0.0


def test_a_module_of_chance_is_told(torch: Any, script: Callable[..., Path]) -> None:
    class Lots(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x):  # type: ignore[no-untyped-def]
            return x[:, :2] + torch.rand_like(x[:, :2])

    assert "draws lots" in neural(SCRIPTED.format(script(Lots()))).remarks[0]


def test_modules_that_do_not_fit_are_refused(torch: Any, script: Callable[..., Path]) -> None:
    class Nan(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x):  # type: ignore[no-untyped-def]
            return x[:, :2] / 0 * 0

    class One(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x):  # type: ignore[no-untyped-def]
            return x[:1, :2]

    class Pair(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x):  # type: ignore[no-untyped-def]
            return x, x

    assert "NaN" in problem(SCRIPTED.format(script(Nan())))
    assert "(1, 2) for 4 times 3 features" in problem(SCRIPTED.format(script(One())))
    assert "fails with 1 times 3 features" in problem(SCRIPTED.format(script(Pair())))
    assert "fails with 1 times 3" in problem(SCRIPTED.format(script(torch.nn.Linear(5, 2))))
    assert "(1, 2) is needed" in problem(SCRIPTED.format(script(torch.nn.Linear(3, 4))))


def test_a_module_needs_all_its_features(torch: Any, script: Callable[..., Path]) -> None:
    said = problem(SCRIPTED.format(script(_sequential(torch))), ("alpha", "gamma", "theta"))
    assert "1 of the 3 features" in said and "beta" in said and "tolerate" not in said


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("", "needs the setting features"),
        ("features = ['alpha']", "needs the setting drives"),
        ("features = ['alpha', 'alpha']\ndrives = ['tempo']", "twice"),
        ("features = ['alpha']\ndrives = ['tempoo']", "did you mean 'tempo'"),
        ("features = ['alpha']\ndrives = ['latent.x']", "latent.x"),
        ("features = 'alpha'\ndrives = ['tempo']", 'write ["alpha"]'),
        ("features = ['alpha']\ndrives = ['tempo']\nanswers = 'hertz'", "answers"),
    ],
)
def test_settings_of_a_module_that_are_wrong_are_named(
    torch: Any, script: Callable[..., Path], toml: str, said: str
) -> None:
    assert said in problem(f"model = '{script(_sequential(torch))}'\n{toml}")


def test_files_that_are_no_modules_are_refused_without_running_them(tmp_path: Path, torch: Any) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            return Path.touch, (tmp_path / "sprung",)

    path = tmp_path / "m.pt"
    said = {}
    path.write_bytes(pickle.dumps(Trap()))
    said["pickle"] = problem(SCRIPTED.format(path))
    torch.save(Trap(), path)
    said["checkpoint"] = problem(SCRIPTED.format(path))
    torch.save({"w": torch.zeros(3)}, path)
    said["weights"] = problem(SCRIPTED.format(path))
    with zipfile.ZipFile(path, "w") as archive:  # looks like one from outside
        archive.writestr("m/code/nothing.py", "")
        archive.writestr("m/data.pkl", pickle.dumps(Trap()))
    said["zip"] = problem(SCRIPTED.format(path))
    path.write_bytes(b"PK\x03\x04 no more")
    said["truncated"] = problem(SCRIPTED.format(path))
    path.write_bytes(b"")
    said["empty"] = problem(SCRIPTED.format(path))
    with path.open("r+b") as file:
        file.truncate(2 << 30)
    said["2 GB"] = problem(SCRIPTED.format(path))
    path.unlink()
    said["none"] = problem(SCRIPTED.format(path))
    assert not (tmp_path / "sprung").exists()
    assert "is a Python pickle" in said["pickle"]
    assert "torch.save writes" in said["checkpoint"] and "torch.save writes" in said["weights"]
    assert "no TorchScript module" in said["zip"] and "cut off" in said["truncated"] and "cut off" in said["empty"]
    assert "2,147 MB" in said["2 GB"] and "there is no model" in said["none"]


def test_every_truncation_of_a_module_is_refused(torch: Any, script: Callable[..., Path]) -> None:
    path = script(_sequential(torch))
    whole = path.read_bytes()
    for size in range(0, len(whole), len(whole) // 12):
        path.write_bytes(whole[:size])
        assert "no TorchScript module" in problem(SCRIPTED.format(path))


# --- settings and configuration ---


def test_what_does_not_go_together_is_told(tmp_path: Path) -> None:
    assert "for TorchScript modules" in problem("features = ['alpha']")
    assert 'kind = "linear"' in problem(f"model = '{terms.bundled('linear.safetensors')}'")
    assert "there is no model" in problem(f"model = '{tmp_path / 'gone.safetensors'}'")
    assert "did you mean 'tempo'" in problem("smooth_s.tempoo = 1.0")


def test_smoothing_can_be_set() -> None:
    assert neural().smoothing["tempo"].time_s == 0.5
    assert neural("smooth_s = {tempo = 1.5}").smoothing["tempo"].time_s == 1.5


def test_the_bundled_configuration_and_a_bare_file_play(tmp_path: Path) -> None:
    mapper = config.load("neural").mapper
    assert isinstance(mapper, Neural) and mapper.learned is not None and mapper.learned.hidden == (64, 64)
    path = model_file.save(tmp_path / "m.safetensors", network())
    chosen = choice.make(*choice.read(str(path)))
    assert isinstance(chosen.mapper, Neural) and chosen.mapper.files == (path,)


@pytest.mark.skipif(os.name != "posix", reason="elsewhere the import does it all")
def test_importing_torch_lets_other_threads_through(torch: Any) -> None:
    """In a fresh process: the largest library is loaded by a call that does not keep the interpreter to itself."""
    code = """
import threading, time
from brainmusic_daemon.mapping import torchscript

turns, done = [], threading.Event()

def watch():
    while not done.is_set():
        time.sleep(0.002)
        turns.append(time.perf_counter())

thread = threading.Thread(target=watch)
thread.start()
begin = time.perf_counter()
torchscript._preload()
end = time.perf_counter()
done.set()
thread.join()
print(sum(begin < turn < end for turn in turns))
assert "torch" not in __import__("sys").modules
import torch
print(torch.ones(2).sum().item())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    turns, two = done.stdout.splitlines()
    assert two == "2.0"
    assert int(turns) >= 4  # a call that keeps the interpreter leaves one before and one after it


def test_a_module_that_remembers_is_not_disturbed_by_explaining_it(torch: Any, script: Callable[..., Path]) -> None:
    class Remembers(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("level", torch.zeros(2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[name-defined]
            self.level.copy_(0.9 * self.level + 0.1 * x[:, :2].mean(0))
            return self.level.expand(x.shape[0], 2)

    mappers = [neural(SCRIPTED.format(script(Remembers()))) for _ in range(2)]
    assert "remembers" in mappers[0].remarks[0]
    rng = np.random.default_rng(0)
    for _ in range(5):
        now = features(values=rng.random(len(NAMES)))
        assert mappers[0].map(now) == mappers[1].map(now)
        assert not any(mappers[0].explain(now).values())
