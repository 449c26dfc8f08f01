"""Session time and controls in, notes out: scales, chords, rhythm and pulse as presets in TOML; no sound in it."""
