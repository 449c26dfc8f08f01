"""Controls in, stereo sound out: voicing at control rate in Python, everything at audio rate compiled."""
