"""The one-command stack: starts broker, front end and workers on one machine, tends them, ends them."""

from fiberless.service.launcher.serving import serve
from fiberless.service.launcher.stack import Stack, checkout_root

__all__ = ["Stack", "checkout_root", "serve"]
