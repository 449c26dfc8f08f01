"""An LSL stream in by pylsl, BrainFlow's band powers, alpha over OSC out.

python brainflow_alpha.py STREAM PORT PICKS WINDOW_S PERIOD_S
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pylsl
from brainflow.data_filter import DataFilter, DetrendOperations, WindowOperations
from pythonosc.udp_client import SimpleUDPClient


def main() -> None:
    stream, port, picks, seconds, period = sys.argv[1:]
    columns, period_s = [int(text) for text in picks.split(",")], float(period)
    [info] = pylsl.resolve_byprop("name", stream, timeout=30.0)
    inlet, rate = pylsl.StreamInlet(info), round(info.nominal_srate())
    rows = np.zeros((0, len(columns)))
    count = round(float(seconds) * rate)
    nfft = DataFilter.get_nearest_power_of_two(rate)
    client, due = SimpleUDPClient("127.0.0.1", int(port)), time.perf_counter()
    while True:
        fresh, _ = inlet.pull_chunk()
        if len(fresh):
            rows = np.concatenate([rows, np.array(fresh, float)[:, columns]])[-count:]
        if len(fresh) and len(rows) == count:
            client.send_message("/alpha", [alpha(row, rate, nfft) for row in rows.T])
        due = max(due + period_s, time.perf_counter() - period_s)
        time.sleep(max(0.0, due - time.perf_counter()))


def alpha(row: np.ndarray, rate: int, nfft: int) -> float:
    """Return the power of one channel: BrainFlow's Welch, or a single spectrum where the window is too short for it."""
    data = np.ascontiguousarray(row)
    DataFilter.detrend(data, DetrendOperations.LINEAR.value)
    if len(data) >= nfft + nfft // 2:
        density = DataFilter.get_psd_welch(data, nfft, nfft // 2, rate, WindowOperations.BLACKMAN_HARRIS.value)
    else:
        even = len(data) // 2 * 2
        density = DataFilter.get_psd(data[-even:], rate, WindowOperations.HANNING.value)
    return float(DataFilter.get_band_power(density, 8.0, 13.0))


if __name__ == "__main__":
    main()
