"""A method for each operation: backend.

Generated from api/openapi.json by sdk/generator: changes here are lost.
"""

from .._transport import AsyncTransport, Transport, segment
from ..models import (
    AccountAccess,
    Install,
    InstallPage,
    InstallStatus,
    PauthRequest,
    Settings,
    SettingsInput,
    WidgetStatus,
    WidgetSwitchRequest,
)


class BackendOperations(Transport):
    """The operations of a blocking client: backend."""

    def pauth(self, body: PauthRequest) -> AccountAccess:
        """Exchange a user's one-time token, or an account id, for the caller's identity, the settings and an access
        token for amoCRM.

        PAuth is the authentication of your project: send either the `token` that the widget received from amoCRM,
        which is verified, or an `account_id` for background work. Answers 403 unless the widget is active in the
        account. An access token that expires within five minutes is renewed first. Whether amoCRM still accepts a
        token is not checked: if amoCRM answers 401 to it, ask again with `refused_token_sha256`. The gateway does
        this by itself.
        """
        return self._call("POST", "/v1/pauth", repeatable=True, body=body)

    def get_backend_settings(self, *, account_id: int) -> Settings:
        """Get the settings of an account.

        `account_id`: Account id in amoCRM.
        """
        return self._call("GET", "/v1/backend/settings", repeatable=True, query={"account_id": account_id})

    def put_backend_settings(self, body: SettingsInput, *, account_id: int) -> Settings:
        """Replace the settings of an account.

        `account_id`: Account id in amoCRM.
        """
        return self._call(
            "PUT",
            "/v1/backend/settings",
            repeatable=False,
            body=body,
            query={"account_id": account_id},
        )

    def switch_widget(self, body: WidgetSwitchRequest) -> WidgetStatus:
        """Switch the widget on or off in an account.

        While it is off, PAuth answers 403, and new charges and holds are refused. Settings, captures, releases,
        refunds and the gateway go on working, so that the backend can tidy up. A change of the status sends an
        `activate` or `deactivate` event. The switch survives uninstalling and reinstalling.
        """
        return self._call("PUT", "/v1/backend/switch", repeatable=True, body=body)

    def list_installs(
        self,
        *,
        status: InstallStatus | None = None,
        account_id: int | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> InstallPage:
        """List the widget's installs by account id, uninstalled ones included.

        `status`: Only installs with this status.
        `account_id`: Only the install in this account.
        `cursor`: `next` of the previous page.
        `limit`: Maximum number of installs.
        """
        return self._call(
            "GET",
            "/v1/backend/installs",
            repeatable=True,
            query={"status": status, "account_id": account_id, "cursor": cursor, "limit": limit},
        )

    def get_install(self, install_id: str) -> Install:
        """Get an install of the widget."""
        return self._call("GET", f"/v1/backend/installs/{segment(install_id)}", repeatable=True)


class AsyncBackendOperations(AsyncTransport):
    """The operations of an asynchronous client: backend."""

    async def pauth(self, body: PauthRequest) -> AccountAccess:
        """Exchange a user's one-time token, or an account id, for the caller's identity, the settings and an access
        token for amoCRM.

        PAuth is the authentication of your project: send either the `token` that the widget received from amoCRM,
        which is verified, or an `account_id` for background work. Answers 403 unless the widget is active in the
        account. An access token that expires within five minutes is renewed first. Whether amoCRM still accepts a
        token is not checked: if amoCRM answers 401 to it, ask again with `refused_token_sha256`. The gateway does
        this by itself.
        """
        return await self._call("POST", "/v1/pauth", repeatable=True, body=body)

    async def get_backend_settings(self, *, account_id: int) -> Settings:
        """Get the settings of an account.

        `account_id`: Account id in amoCRM.
        """
        return await self._call("GET", "/v1/backend/settings", repeatable=True, query={"account_id": account_id})

    async def put_backend_settings(self, body: SettingsInput, *, account_id: int) -> Settings:
        """Replace the settings of an account.

        `account_id`: Account id in amoCRM.
        """
        return await self._call(
            "PUT",
            "/v1/backend/settings",
            repeatable=False,
            body=body,
            query={"account_id": account_id},
        )

    async def switch_widget(self, body: WidgetSwitchRequest) -> WidgetStatus:
        """Switch the widget on or off in an account.

        While it is off, PAuth answers 403, and new charges and holds are refused. Settings, captures, releases,
        refunds and the gateway go on working, so that the backend can tidy up. A change of the status sends an
        `activate` or `deactivate` event. The switch survives uninstalling and reinstalling.
        """
        return await self._call("PUT", "/v1/backend/switch", repeatable=True, body=body)

    async def list_installs(
        self,
        *,
        status: InstallStatus | None = None,
        account_id: int | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> InstallPage:
        """List the widget's installs by account id, uninstalled ones included.

        `status`: Only installs with this status.
        `account_id`: Only the install in this account.
        `cursor`: `next` of the previous page.
        `limit`: Maximum number of installs.
        """
        return await self._call(
            "GET",
            "/v1/backend/installs",
            repeatable=True,
            query={"status": status, "account_id": account_id, "cursor": cursor, "limit": limit},
        )

    async def get_install(self, install_id: str) -> Install:
        """Get an install of the widget."""
        return await self._call("GET", f"/v1/backend/installs/{segment(install_id)}", repeatable=True)
