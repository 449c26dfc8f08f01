"""One module per parser: `fuzz(data)` feeds it, `WORDS` are what bytes alone would not find, `seeds()` began it."""
