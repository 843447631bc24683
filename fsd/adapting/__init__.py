"""`fsd adapter`: write a first adapter for a third-party model, and check what the model sees and answers with it."""
