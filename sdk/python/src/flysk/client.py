"""The clients: the generated operations, pages of lists, and the gateway to amoCRM."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from ._gateway import gateway_headers, gateway_path, gateway_result, next_path
from ._transport import Query
from .operations import AsyncOperations, Operations


class Flysk(Operations):
    """A blocking client of Flysk. It may be shared by threads.

    >>> flysk = Flysk("https://flysk.example.com", os.environ["PROJECT_TOKEN"])
    >>> flysk.get_flycoin_balance(account_id=31234567)["available_micro"]
    """

    def amocrm(
        self,
        account_id: int,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        user_id: int | None = None,
    ) -> Any:
        """Calls amoCRM's API in an account through the gateway: `flysk.amocrm(31234567, "GET", "leads/1")`.

        Returns the parsed body; None for 204, which is amoCRM's answer to an empty list and an unknown id. `user_id`: the
        request has the rights of this user. A write is repeated only if it was not executed.

        Raises:
            AmocrmError: amoCRM answered an error.
            ApiError: Flysk did.
            NoAnswerError: no answer arrived.
            InvalidPathError: `path` is an address outside of amoCRM's API, or has a segment `.` or `..`.
        """
        headers = gateway_headers(account_id, user_id)
        return gateway_result(self.request(method, gateway_path(path), query=query, headers=headers, body=body))

    def amocrm_pages(
        self, account_id: int, path: str, *, query: Query | None = None, user_id: int | None = None
    ) -> Iterator[Any]:
        """The pages of a list of amoCRM, one request each: follows `_links.next` until there is none."""
        following: str | None = path
        while following is not None:
            page = self.amocrm(account_id, "GET", following, query=query, user_id=user_id)
            if page is None:
                return
            yield page
            following, query = next_path(page), None

    def items(self, operation: Callable[..., Any], **query: Any) -> Iterator[Any]:
        """All items of a list, page by page: `for event in flysk.items(flysk.list_events, type="install")`."""
        cursor: str | None = query.pop("cursor", None)
        while True:
            page = operation(cursor=cursor, **query)
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return


class AsyncFlysk(AsyncOperations):
    """An asynchronous client of Flysk, for asyncio.

    >>> async with AsyncFlysk("https://flysk.example.com", os.environ["PROJECT_TOKEN"]) as flysk:
    ...     balance = await flysk.get_flycoin_balance(account_id=31234567)
    """

    async def amocrm(
        self,
        account_id: int,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        user_id: int | None = None,
    ) -> Any:
        """The same as for the blocking client."""
        headers = gateway_headers(account_id, user_id)
        return gateway_result(await self.request(method, gateway_path(path), query=query, headers=headers, body=body))

    async def amocrm_pages(
        self, account_id: int, path: str, *, query: Query | None = None, user_id: int | None = None
    ) -> AsyncIterator[Any]:
        """The same as for the blocking client."""
        following: str | None = path
        while following is not None:
            page = await self.amocrm(account_id, "GET", following, query=query, user_id=user_id)
            if page is None:
                return
            yield page
            following, query = next_path(page), None

    async def items(self, operation: Callable[..., Awaitable[Any]], **query: Any) -> AsyncIterator[Any]:
        """The same as for the blocking client."""
        cursor: str | None = query.pop("cursor", None)
        while True:
            page = await operation(cursor=cursor, **query)
            for item in page["items"]:
                yield item
            cursor = page["next"]
            if cursor is None:
                return
