"""The kernels do what their design promises: band, delay, gain, deafness to offsets and mains."""

from __future__ import annotations

import numpy as np
import pytest

from brainmusic_daemon.features import kernels
from brainmusic_daemon.sections import BANDS
from tests.signals import pink

FS = 250.0
ALPHA = [(8.0, 13.0)]


def alpha_kernel(delay: float = 0.075, samplerate: float = FS) -> np.ndarray:
    return kernels.design(ALPHA, samplerate, round(samplerate), [delay], kernels.Prior())


@pytest.mark.parametrize("samplerate", [128.0, 160.0, 256.0, 500.0, 1000.0])
def test_a_sine_in_mid_band_comes_out_with_its_amplitude(samplerate: float) -> None:
    b = kernels.design(ALPHA, samplerate, round(samplerate), [0.1], kernels.Prior())
    assert abs(kernels.response(b, samplerate, np.array([10.5]))[0, 0]) == pytest.approx(2.0, rel=0.15)


def test_an_offset_of_an_electrode_leaves_no_trace() -> None:
    b = alpha_kernel()
    assert np.abs(140_000.0 * b.sum()) < 1e-6


def test_mains_are_below_a_thousandth() -> None:
    gain = np.abs(kernels.response(alpha_kernel(), FS, np.array([50.0, 60.0])))
    assert gain.max() < 2e-3


def test_the_envelope_of_delay_d_is_best_had_from_the_kernel_designed_for_d() -> None:
    """Amplitude-modulated alpha in 1/f noise: the true envelope, D seconds ago, against three kernels' estimates."""
    n = int(120 * FS)
    t = np.arange(n) / FS
    spectrum = np.fft.rfft(np.random.default_rng(1).standard_normal(n))
    spectrum[int(120 * 1.5) :] = 0
    envelope = 20 * np.abs(np.fft.irfft(spectrum, n)) / np.abs(np.fft.irfft(spectrum, n)).max()
    x = envelope * np.sin(2 * np.pi * 10.5 * t) + pink(n, 1, FS, rms_uv=0.5)[:, 0]
    inner = slice(int(FS), n - int(FS))
    delays = (0.05, 0.1, 0.25)
    estimates = [np.abs(np.convolve(x, alpha_kernel(delay)[::-1, 0])[:n]) for delay in delays]
    for wanted, delay in enumerate(delays):
        truth = np.roll(envelope, round(delay * FS))[inner]
        match = [np.corrcoef(estimate[inner], truth)[0, 1] for estimate in estimates]
        assert int(np.argmax(match)) == wanted
        assert match[wanted] > 0.93


def test_more_delay_lets_more_of_the_band_through() -> None:
    bands = dict(BANDS)
    prior = kernels.Prior()
    gains = []
    for delay in (0.03, 0.1, 0.3):
        b = kernels.design(list(bands.values()), FS, 250, [delay] * 5, prior)
        gains.append(kernels.band_gain(b, bands, FS, prior))
    assert (np.diff(gains, axis=0) > -0.01).all()  # beta and gamma have all of it early
    assert (np.diff(gains, axis=0)[:, :3] > 0).all()


def test_the_stacked_matrix_is_the_kernels() -> None:
    b = alpha_kernel()
    x = pink(250, 3, FS)
    product = x.T @ kernels.stack(b)
    assert np.allclose(product[:, 0] + 1j * product[:, 1], x.T @ b[:, 0], atol=1e-4)


def test_no_kernel_of_the_same_length_follows_the_design_better() -> None:
    """Any small change of the solution that keeps Σb = 0 raises the weighted error: it is the optimum."""
    prior, delay = kernels.Prior(), 0.075
    b = alpha_kernel(delay)[:, 0]
    f = np.fft.fftfreq(4000, 1 / FS)
    P = prior.density(f)
    H = np.where((f >= 8) & (f <= 13), 2 * np.exp(-2j * np.pi * f * delay), 0)

    def error(taps: np.ndarray) -> float:
        return float((P * np.abs(kernels.response(taps[:, None], FS, f)[:, 0] - H) ** 2).sum())

    best = error(b)
    rng = np.random.default_rng(0)
    for _ in range(20):
        change = rng.standard_normal(len(b)) + 1j * rng.standard_normal(len(b))
        change -= change.mean()
        assert error(b + 1e-3 * change) > best
