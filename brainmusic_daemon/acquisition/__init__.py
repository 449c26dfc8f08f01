"""Sources in, the newest evenly spaced window out: one thread, one ring buffer; a source is one file of this folder."""
