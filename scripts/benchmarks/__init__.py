"""Programs and recordings in, figures out: one module per figure of docs/benchmarks.md."""
