"""An LSL stream in by mne-lsl, Welch by MNE, alpha powers over OSC out.

python mne_lsl_alpha.py STREAM PORT CHANNELS WINDOW_S PERIOD_S
"""

from __future__ import annotations

import sys
import time

from mne.time_frequency import psd_array_welch
from mne_lsl.stream import StreamLSL
from pythonosc.udp_client import SimpleUDPClient


def main() -> None:
    name, port, channels, seconds, period = sys.argv[1:]
    window_s, period_s = float(seconds), float(period)
    stream = connected(name, window_s, min(period_s, 0.1) / 2)
    stream.pick(channels.split(","))
    rate = stream.info["sfreq"]
    n_fft = round(window_s * rate)
    client, due = SimpleUDPClient("127.0.0.1", int(port)), time.perf_counter() + window_s
    while True:
        time.sleep(max(0.0, due - time.perf_counter()))
        due = max(due + period_s, time.perf_counter() - period_s)
        data, _ = stream.get_data()
        if data.shape[1] < n_fft:
            continue
        powers, _ = psd_array_welch(
            data, rate, fmin=8.0, fmax=13.0, n_fft=n_fft, n_per_seg=n_fft, window="hann", verbose="error"
        )
        client.send_message("/alpha", powers.mean(axis=1).tolist())


def connected(name: str, window_s: float, delay_s: float) -> StreamLSL:
    """Return the stream; on a busy machine it is not always found at first."""
    for left in (2, 1, 0):
        try:
            return StreamLSL(bufsize=window_s, name=name).connect(acquisition_delay=delay_s, timeout=15.0)
        except RuntimeError:
            if not left:
                raise
    raise AssertionError


if __name__ == "__main__":
    main()
