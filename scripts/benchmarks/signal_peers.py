"""A take in, alpha as other programs would show it at every tick out: each by its documented settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.signal_data import Array, Take, seen

Method = Callable[[Take, tuple[int, ...], Array, tuple[float, float]], Array]


def _spectra(take: Take, picks: tuple[int, ...], times: Array, length_s: float, window: str) -> tuple[Array, Array]:
    """Return f and power spectra (n_times, n_f, n_channels) of the newest stretch at each time, NaN at first."""
    n = round(length_s * take.samplerate)
    ends = seen(take, times)
    taper = np.hanning(n + 1)[:-1] if window == "hann" else np.hamming(n)
    out = np.full((len(times), n // 2 + 1, len(picks)), np.nan)
    for row, end in enumerate(ends):
        if n <= end <= len(take.samples):
            x = take.samples[end - n : end, picks]
            out[row] = np.abs(np.fft.rfft((x - x.mean(axis=0)) * taper[:, None], axis=0)) ** 2
    return np.fft.rfftfreq(n, 1 / take.samplerate), out


def hann(length_s: float) -> Method:
    """Return one Hann window and an FFT, as in many a script."""

    def estimate(take: Take, picks: tuple[int, ...], times: Array, band: tuple[float, float]) -> Array:
        f, power = _spectra(take, picks, times, length_s, "hann")
        return np.sqrt(power[:, (f >= band[0]) & (f <= band[1])].sum(axis=1))

    return estimate


def welch(take: Take, picks: tuple[int, ...], times: Array, band: tuple[float, float]) -> Array:
    """scipy.signal.welch on the newest 2 s, its own defaults (Hann, 256 samples, half overlapping)."""
    return _welch(take, picks, times, band, length_s=2.0)


def _welch(take: Take, picks: tuple[int, ...], times: Array, band: tuple[float, float], length_s: float) -> Array:
    from scipy.signal import welch as density

    n = round(length_s * take.samplerate)
    out = np.full((len(times), len(picks)), np.nan)
    for row, end in enumerate(seen(take, times)):
        if n <= end <= len(take.samples):
            f, power = density(take.samples[end - n : end, picks], take.samplerate, nperseg=min(256, n), axis=0)
            out[row] = np.sqrt(power[(f >= band[0]) & (f <= band[1])].mean(axis=0))
    return out


def brainflow(take: Take, picks: tuple[int, ...], times: Array, band: tuple[float, float]) -> Array:
    """DataFilter.get_avg_band_powers on the newest 2 s; it gives alpha as a share of all five bands."""
    from brainflow import DataFilter

    del band  # its bands are its own: 2-4, 4-8, 8-13, 13-30, 30-45 Hz
    n, every = round(2 * take.samplerate), 5
    out = np.full((len(times), len(picks)), np.nan)
    for row, end in enumerate(seen(take, times)):
        if n <= end <= len(take.samples):
            if row % every == 0 or np.isnan(out[row - 1]).any():
                data = np.ascontiguousarray(take.samples[end - n : end, picks].T)
                for column in range(len(picks)):
                    bands, _ = DataFilter.get_avg_band_powers(data, [column], round(take.samplerate), True)
                    out[row, column] = np.sqrt(bands[2])
            else:
                out[row] = out[row - 1]
    return out


def butterworth(order: int, lowpass_hz: float) -> Method:
    """Return the twenty-line script: a causal Butterworth band-pass, rectifier and low-pass of order 2."""

    def estimate(take: Take, picks: tuple[int, ...], times: Array, band: tuple[float, float]) -> Array:
        from scipy.signal import butter, sosfilt

        x = take.samples[:, picks] - take.samples[: int(take.samplerate), picks].mean(axis=0)
        narrow = sosfilt(butter(order, band, "bandpass", fs=take.samplerate, output="sos"), x, axis=0)
        smooth = sosfilt(butter(2, lowpass_hz, fs=take.samplerate, output="sos"), np.abs(narrow), axis=0)
        return np.asarray(smooth[np.clip(seen(take, times) - 1, 0, len(x) - 1)])

    return estimate


def timeflux(take: Take, picks: tuple[int, ...], times: Array, band: tuple[float, float]) -> Array:
    """Timeflux's neurofeedback tutorial: 1.5 s every 0.5 s, its Welch node as it comes, mean of 8-12 Hz."""
    del band
    fresh = np.floor(times / 0.5 + 1e-9) * 0.5  # held between
    found = _welch(take, picks, np.unique(fresh), (8.0, 12.0), length_s=1.5)
    return found[np.searchsorted(np.unique(fresh), fresh)]


def timeflux_bands(take: Take, picks: tuple[int, ...], times: Array, band: tuple[float, float]) -> Array:
    """Timeflux's demo `neurofeedback/bands`: Butterworth band-pass 8-12 Hz of order 3, power over 3 s every 1 s."""
    from scipy.signal import butter, sosfilt

    del band
    x = take.samples[:, picks] - take.samples[: int(take.samplerate), picks].mean(axis=0)
    square = sosfilt(butter(3, (8.0, 12.0), "bandpass", fs=take.samplerate, output="sos"), x, axis=0) ** 2
    total = np.vstack([np.zeros(len(picks)), np.cumsum(square, axis=0)])
    ends = seen(take, np.floor(times + 1e-9))
    n = round(3 * take.samplerate)
    found = np.sqrt(np.maximum(total[np.clip(ends, 0, len(x))] - total[np.clip(ends - n, 0, len(x))], 0) / n)
    found[ends < n] = np.nan
    return np.asarray(found)


def openbci_gui(take: Take, picks: tuple[int, ...], times: Array, band: tuple[float, float]) -> Array:
    """OpenBCI GUI's band power: Hamming FFT of 256 samples up to 250 Hz (512 at 500), log power smoothed by 0.9."""
    n = 2 ** int(np.ceil(np.log2(take.samplerate))) if take.samplerate > 256 else 256
    f, power = _spectra(take, picks, times, n / take.samplerate, "hamming")
    smoothed = np.log(power + 1e-12)
    for row in range(1, len(smoothed)):  # at every update of its screen: here at every tick
        before = smoothed[row - 1]
        smoothed[row] = np.where(np.isnan(before), smoothed[row], 0.9 * before + 0.1 * smoothed[row])
    return np.sqrt(np.exp(smoothed[:, (f >= band[0]) & (f <= band[1])]).sum(axis=1))


PEERS: Mapping[str, Method] = {
    "Butterworth of order 2, rectifier, low-pass 3 Hz": butterworth(2, 3.0),
    "Butterworth tuned to these recordings: order 1, 4 Hz": butterworth(1, 4.0),
    "Hann FFT, 0.5 s": hann(0.5),
    "Hann FFT, 1 s": hann(1.0),
    "OpenBCI GUI": openbci_gui,
    "Timeflux, tutorial": timeflux,
    "Timeflux, demo of bands": timeflux_bands,
    "scipy Welch, 2 s": welch,
    "BrainFlow band power, 2 s": brainflow,
}
