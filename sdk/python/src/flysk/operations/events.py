"""A method for each operation: events.

Generated from api/openapi.json by sdk/generator: changes here are lost.
"""

from .._transport import AsyncTransport, Transport, segment
from ..models import (
    AttemptOutcome,
    DeliveryAttemptPage,
    DeliveryPage,
    EventKind,
    EventPage,
    EventReplayRequest,
    EventState,
    RecordedEvent,
    TestEventRequest,
)


class EventsOperations(Transport):
    """The operations of a blocking client: events."""

    def list_events(
        self,
        *,
        after_number: int | None = None,
        type: EventKind | None = None,
        state: EventState | None = None,
        account_id: int | None = None,
        from_: str | None = None,
        until: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> EventPage:
        """List events of the widget's installs, oldest first.

        `after_number`: Only events with a higher `number`, such as that of the last event that your backend has
        processed.
        `type`: Only events of this type.
        `state`: Only events in this state.
        `account_id`: Only events of this account.
        `from_`: Only events at or after this time.
        `until`: Only events before this time.
        `cursor`: `next` of the previous page.
        `limit`: Maximum number of events.
        """
        return self._call(
            "GET",
            "/v1/backend/events",
            repeatable=True,
            query={
                "after_number": after_number,
                "type": type,
                "state": state,
                "account_id": account_id,
                "from": from_,
                "until": until,
                "cursor": cursor,
                "limit": limit,
            },
        )

    def get_event(self, event_id: str) -> RecordedEvent:
        """Get an event."""
        return self._call("GET", f"/v1/backend/events/{segment(event_id)}", repeatable=True)

    def list_event_attempts(self, event_id: str) -> DeliveryAttemptPage:
        """List all attempts to deliver an event, oldest first."""
        return self._call("GET", f"/v1/backend/events/{segment(event_id)}/attempts", repeatable=True)

    def send_test_event(self, body: TestEventRequest) -> RecordedEvent:
        """Send a test event, to check the event URL and the verification of signatures.

        It is an event of type `test` about an install, delivered and logged as every other event.
        """
        return self._call("POST", "/v1/backend/events/test", repeatable=False, body=body)

    def replay_event(self, event_id: str) -> None:
        """Deliver an event again, whatever its state. A waiting event is tried now.

        If earlier events of the install wait, the first of them is tried now, because events of an install are
        delivered in order.
        """
        self._call("POST", f"/v1/backend/events/{segment(event_id)}/replay", repeatable=False)

    def replay_events(self, body: EventReplayRequest) -> None:
        """Deliver all events of a period again that were not delivered, or those in other states."""
        self._call("POST", "/v1/backend/events/replay", repeatable=False, body=body)

    def list_deliveries(
        self,
        *,
        outcome: AttemptOutcome | None = None,
        type: EventKind | None = None,
        account_id: int | None = None,
        from_: str | None = None,
        until: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> DeliveryPage:
        """List all attempts to deliver events of the widget, newest first.

        `outcome`: Only attempts with this outcome.
        `type`: Only attempts for events of this type.
        `account_id`: Only attempts for events of this account.
        `from_`: Only attempts that started at or after this time.
        `until`: Only attempts that started before this time.
        `cursor`: `next` of the previous page.
        `limit`: Maximum number of attempts.
        """
        return self._call(
            "GET",
            "/v1/backend/deliveries",
            repeatable=True,
            query={
                "outcome": outcome,
                "type": type,
                "account_id": account_id,
                "from": from_,
                "until": until,
                "cursor": cursor,
                "limit": limit,
            },
        )


class AsyncEventsOperations(AsyncTransport):
    """The operations of an asynchronous client: events."""

    async def list_events(
        self,
        *,
        after_number: int | None = None,
        type: EventKind | None = None,
        state: EventState | None = None,
        account_id: int | None = None,
        from_: str | None = None,
        until: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> EventPage:
        """List events of the widget's installs, oldest first.

        `after_number`: Only events with a higher `number`, such as that of the last event that your backend has
        processed.
        `type`: Only events of this type.
        `state`: Only events in this state.
        `account_id`: Only events of this account.
        `from_`: Only events at or after this time.
        `until`: Only events before this time.
        `cursor`: `next` of the previous page.
        `limit`: Maximum number of events.
        """
        return await self._call(
            "GET",
            "/v1/backend/events",
            repeatable=True,
            query={
                "after_number": after_number,
                "type": type,
                "state": state,
                "account_id": account_id,
                "from": from_,
                "until": until,
                "cursor": cursor,
                "limit": limit,
            },
        )

    async def get_event(self, event_id: str) -> RecordedEvent:
        """Get an event."""
        return await self._call("GET", f"/v1/backend/events/{segment(event_id)}", repeatable=True)

    async def list_event_attempts(self, event_id: str) -> DeliveryAttemptPage:
        """List all attempts to deliver an event, oldest first."""
        return await self._call("GET", f"/v1/backend/events/{segment(event_id)}/attempts", repeatable=True)

    async def send_test_event(self, body: TestEventRequest) -> RecordedEvent:
        """Send a test event, to check the event URL and the verification of signatures.

        It is an event of type `test` about an install, delivered and logged as every other event.
        """
        return await self._call("POST", "/v1/backend/events/test", repeatable=False, body=body)

    async def replay_event(self, event_id: str) -> None:
        """Deliver an event again, whatever its state. A waiting event is tried now.

        If earlier events of the install wait, the first of them is tried now, because events of an install are
        delivered in order.
        """
        await self._call("POST", f"/v1/backend/events/{segment(event_id)}/replay", repeatable=False)

    async def replay_events(self, body: EventReplayRequest) -> None:
        """Deliver all events of a period again that were not delivered, or those in other states."""
        await self._call("POST", "/v1/backend/events/replay", repeatable=False, body=body)

    async def list_deliveries(
        self,
        *,
        outcome: AttemptOutcome | None = None,
        type: EventKind | None = None,
        account_id: int | None = None,
        from_: str | None = None,
        until: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> DeliveryPage:
        """List all attempts to deliver events of the widget, newest first.

        `outcome`: Only attempts with this outcome.
        `type`: Only attempts for events of this type.
        `account_id`: Only attempts for events of this account.
        `from_`: Only attempts that started at or after this time.
        `until`: Only attempts that started before this time.
        `cursor`: `next` of the previous page.
        `limit`: Maximum number of attempts.
        """
        return await self._call(
            "GET",
            "/v1/backend/deliveries",
            repeatable=True,
            query={
                "outcome": outcome,
                "type": type,
                "account_id": account_id,
                "from": from_,
                "until": until,
                "cursor": cursor,
                "limit": limit,
            },
        )
