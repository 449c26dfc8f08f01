"""The program around the pipeline: live and offline sessions, the tick, outputs that come and go, status."""
