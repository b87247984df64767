"""The HTTP front end: turns requests into jobs and stored predictions into answers. Never imports torch."""
