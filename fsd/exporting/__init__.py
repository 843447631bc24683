"""`fsd export` as a user sees it: third-party models by their adapters, and the parity page."""
