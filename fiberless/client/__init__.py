"""`Client` and `AsyncClient`: the service from Python."""

from fiberless.client.asking import Image
from fiberless.client.asynchronous import AsyncClient
from fiberless.client.blocking import Client
from fiberless.contract import Prediction

__all__ = ["AsyncClient", "Client", "Image", "Prediction"]
