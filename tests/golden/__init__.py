"""Golden sessions: what the program has played before, so that a change of sound or messages does not go unsaid."""
