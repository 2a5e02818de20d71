"""A method for each operation: subscriptions.

Generated from api/openapi.json by sdk/generator: changes here are lost.
"""

from .._transport import AsyncTransport, Transport
from ..models import OccupiedSeatPage, Subscription


class SubscriptionsOperations(Transport):
    """The operations of a blocking client: subscriptions."""

    def get_backend_subscription(self, *, account_id: int) -> Subscription:
        """Get the subscription of an account, to decide by its `access`.

        `account_id`: Account id in amoCRM.
        """
        return self._call("GET", "/v1/backend/subscription", repeatable=True, query={"account_id": account_id})

    def list_backend_seats(self, *, account_id: int) -> OccupiedSeatPage:
        """List the users of an account who occupy seats, first comers first. The list has one page.

        `account_id`: Account id in amoCRM.
        """
        return self._call(
            "GET",
            "/v1/backend/subscription/seats",
            repeatable=True,
            query={"account_id": account_id},
        )


class AsyncSubscriptionsOperations(AsyncTransport):
    """The operations of an asynchronous client: subscriptions."""

    async def get_backend_subscription(self, *, account_id: int) -> Subscription:
        """Get the subscription of an account, to decide by its `access`.

        `account_id`: Account id in amoCRM.
        """
        return await self._call("GET", "/v1/backend/subscription", repeatable=True, query={"account_id": account_id})

    async def list_backend_seats(self, *, account_id: int) -> OccupiedSeatPage:
        """List the users of an account who occupy seats, first comers first. The list has one page.

        `account_id`: Account id in amoCRM.
        """
        return await self._call(
            "GET",
            "/v1/backend/subscription/seats",
            repeatable=True,
            query={"account_id": account_id},
        )
