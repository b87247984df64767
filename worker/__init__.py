"""The Celery workers: they take jobs, predict in batches and store. Never imports fastapi or `app`."""

__all__: list[str] = []
