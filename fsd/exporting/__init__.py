"""`fsd export` as a user sees it: the parity page."""
