"""A method for each operation of the API that a vendor's backend may call.

Generated from api/openapi.json by sdk/generator: changes here are lost.
"""

from .backend import AsyncBackendOperations, BackendOperations
from .events import AsyncEventsOperations, EventsOperations
from .flycoins import AsyncFlycoinsOperations, FlycoinsOperations
from .subscriptions import AsyncSubscriptionsOperations, SubscriptionsOperations


class Operations(BackendOperations, EventsOperations, FlycoinsOperations, SubscriptionsOperations):
    """The operations of a blocking client."""


class AsyncOperations(AsyncBackendOperations, AsyncEventsOperations, AsyncFlycoinsOperations, AsyncSubscriptionsOperations):
    """The operations of an asynchronous client."""
