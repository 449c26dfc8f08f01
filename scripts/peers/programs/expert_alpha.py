"""An LSL stream in, alpha amplitudes over OSC out: a Hann window, or band-pass, rectifier and low-pass.

python expert_alpha.py STREAM PORT PICKS hann SECONDS
python expert_alpha.py STREAM PORT PICKS butterworth ORDER ORDER_OF_LOW_PASS LOW_PASS_HZ
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pylsl
from pythonosc.udp_client import SimpleUDPClient
from scipy.signal import butter, sosfilt

LOW_HZ, HIGH_HZ, PERIOD_S = 8.0, 13.0, 0.02


class Hann:
    """The newest stretch under a Hann window; amplitude in the band by FFT."""

    def __init__(self, rate: float, count: int, seconds: str) -> None:
        self.rows = np.zeros((round(float(seconds) * rate), count))
        self.window = np.hanning(len(self.rows) + 1)[:-1, None]
        f = np.fft.rfftfreq(len(self.rows), 1 / rate)
        self.inside = (f >= LOW_HZ) & (f <= HIGH_HZ)

    def feed(self, rows: np.ndarray) -> np.ndarray:
        self.rows = np.concatenate([self.rows, rows])[-len(self.rows) :]
        spectrum = np.fft.rfft((self.rows - self.rows.mean(axis=0)) * self.window, axis=0)
        return np.sqrt((np.abs(spectrum[self.inside]) ** 2).sum(axis=0))


class Butterworth:
    """Filtered sample by sample; what is sent is the newest value."""

    def __init__(self, rate: float, count: int, order: str, smooth: str, hz: str) -> None:
        self.band = butter(int(order), (LOW_HZ, HIGH_HZ), "bandpass", fs=rate, output="sos")
        self.low = butter(int(smooth), float(hz), fs=rate, output="sos")
        self.states = [np.zeros((len(sos), 2, count)) for sos in (self.band, self.low)]
        self.offset: np.ndarray | None = None

    def feed(self, rows: np.ndarray) -> np.ndarray:
        if self.offset is None:
            self.offset = rows[0]  # else the filter rings for a while
        narrow, self.states[0] = sosfilt(self.band, rows - self.offset, axis=0, zi=self.states[0])
        smooth, self.states[1] = sosfilt(self.low, np.abs(narrow), axis=0, zi=self.states[1])
        return smooth[-1]


def main() -> None:
    stream, port, picks, method, *settings = sys.argv[1:]
    columns = [int(text) for text in picks.split(",")]
    [info] = pylsl.resolve_byprop("name", stream, timeout=30.0)
    inlet = pylsl.StreamInlet(info)
    made = {"hann": Hann, "butterworth": Butterworth}[method](info.nominal_srate(), len(columns), *settings)
    client, due = SimpleUDPClient("127.0.0.1", int(port)), time.perf_counter()
    while True:
        rows, _ = inlet.pull_chunk()
        if len(rows):
            client.send_message("/alpha", made.feed(np.array(rows, float)[:, columns]).tolist())
        due = max(due + PERIOD_S, time.perf_counter() - PERIOD_S)
        time.sleep(max(0.0, due - time.perf_counter()))


if __name__ == "__main__":
    main()
