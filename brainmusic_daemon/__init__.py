"""EEG in, music out: an acquisition thread fills a ring buffer; on a fixed tick the newest window becomes features,
the features become controls, and the controls go to a synth and to OSC."""

__version__ = "0.1.0"
