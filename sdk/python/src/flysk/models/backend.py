"""Types of request bodies and answers: backend.

Generated from api/openapi.json by sdk/generator: changes here are lost.
"""

from typing import Any, Literal, NotRequired, TypedDict

from .shared import SubscriptionAccess


InstallStatus = Literal[
    "installing",
    "active",
    "inactive",
    "reconnect",
    "uninstalled",
]
"""Status of an install. A widget works only while it is `active`."""


class AccountAccess(TypedDict):
    """Access of a widget to an account."""

    access_token: str
    """Access token for amoCRM's API. Flysk never returns the refresh token: using it would invalidate the stored token
    pair.
    """
    expires_at: str
    """Expiry of the access token."""
    base_domain: str
    """The account's host, for example `demo.amocrm.ru`."""
    account_id: int
    """Account id in amoCRM."""
    install_id: str
    """Install id."""
    install_status: InstallStatus
    """Always `active`: other statuses return a problem."""
    settings: Any
    """Settings of the install."""
    user_id: int | None
    """User id of the token; null for a request with `account_id`."""
    subscription: SubscriptionAccess | None
    """Whether the account may use the widget, or the user of the `token`, if the widget gives seats to users; null if
    the widget sells no subscriptions.
    """


class Install(TypedDict):
    """An install: the widget in an account."""

    id: str
    """Install id; the same after a reinstall."""
    account_id: int
    """Account id in amoCRM."""
    account_name: str | None
    """Name of the account."""
    base_domain: str | None
    """The account's host."""
    status: InstallStatus
    """Status."""
    settings_version: int
    """Version of the settings; 0 before the first change."""
    last_event_sequence: int
    """`sequence` of the install's last event; 0 before the first one."""
    granted_at: str | None
    """When access was last granted."""
    created_at: str
    """When the account began to install the widget for the first time."""
    updated_at: str
    """Time of the last change of the install, its settings included."""


class InstallPage(TypedDict):
    """A page of installs, by account id."""

    items: list[Install]
    """The installs."""
    next: str | None
    """Value of `cursor` for the next page; null on the last page."""


class PauthRequest(TypedDict):
    """The account: either a user's token or an account id."""

    token: NotRequired[str | None]
    """The `X-Auth-Token` that the widget sent to the backend."""
    account_id: NotRequired[int | None]
    """Account id in amoCRM, for background work."""
    refused_token_sha256: NotRequired[str | None]
    """SHA-256 of an access token that amoCRM answered with 401, as 64 lower-case hexadecimal digits. If this is still
    the account's token, and it was issued more than ten minutes ago, it is renewed first.
    """


class Settings(TypedDict):
    """An install's settings."""

    version: int
    """Version, incremented by every change."""
    settings: Any
    """The settings: a JSON object defined by the widget."""


class SettingsInput(TypedDict):
    """New settings."""

    version: int
    """The version that was read. If it is not the newest, the request fails with `version_conflict`."""
    settings: Any
    """All settings: a JSON object of at most 64 KiB that satisfies the widget's schema."""
    widget_version: NotRequired[str | None]
    """Version of the widget that writes. If this version has its own schema, the settings are validated by it,
    otherwise by the widget's default schema.
    """


class WidgetStatus(TypedDict):
    """Status of the widget in the account."""

    status: InstallStatus
    """Status of the install. A widget that is switched on is `active` only while the account grants access."""


class WidgetSwitchRequest(TypedDict):
    """Request to switch the widget on or off."""

    account_id: int
    """Account id in amoCRM."""
    on: bool
    """Whether the widget may work in the account."""
