"""What runs inside a peer's own environment: short scripts, as a user of that library would write them."""
