"""The machinery of the service, below HTTP: settings, keys, queue, storage, launcher, checks."""

__all__: list[str] = []
