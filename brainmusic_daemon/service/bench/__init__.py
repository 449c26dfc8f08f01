"""A stimulus of known time in, what this machine makes of it out: the daemon, measured from outside, by its user.

`stimulus` is what is sent, `sender` the process that sends it over LSL, `subject` the process that is measured,
`receiver` what hears it, `judge` and `analysis` the arithmetic, `figures` the result, `history` what that is compared
with, `run` the whole, `told` its text.
"""
