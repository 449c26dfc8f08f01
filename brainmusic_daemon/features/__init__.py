"""A window of samples in, features out: band powers by one matrix product, all that derives from them, quality."""
