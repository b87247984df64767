"""One module a resource; each handler is a few lines and translates only."""
