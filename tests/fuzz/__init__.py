"""Bytes in, nothing out: whatever reads what others wrote is fed with anything, and only documented errors may pass."""
