"""`fsd train` as a user sees it: progress bars and the page of curves."""
