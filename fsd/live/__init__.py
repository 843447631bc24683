"""`fsd live`: plans of live cameras, printed, and served as a page on this machine."""
