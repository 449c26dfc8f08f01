"""One LSL stream into this program and into its peers; alpha out of each over OSC, judged against the truth."""
