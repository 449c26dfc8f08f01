"""The soak: a daemon that plays for a long time in; what grew, leaked, drifted or was lost out."""
