"""`fiberless measure`: spectrum files in, documents, tables and plots out. No torch, no network."""
