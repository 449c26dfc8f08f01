"""Features in, controls out: mappers, the expressions and curves they are written in, and the smoothing after them."""
