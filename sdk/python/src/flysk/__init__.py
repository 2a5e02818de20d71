"""Flysk for backends of amoCRM widgets: PAuth, settings, Flycoins, subscriptions, events, and the gateway to amoCRM."""

from ._retry import RetryPolicy
from ._transport import Answer
from ._version import __version__
from .client import AsyncFlysk, Flysk
from .errors import (
    AmocrmError,
    ApiError,
    FlyskError,
    HoldEndedError,
    IdempotencyKeyReusedError,
    InstallNotActiveError,
    InstallNotFoundError,
    InsufficientBalanceError,
    InvalidPathError,
    InvalidSignatureError,
    MoreThanChargedError,
    NoAnswerError,
    PriceAboveLimitError,
    ReconnectRequiredError,
    TokenExpiredError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
    VersionConflictError,
)
from .events import verify_event

__all__ = [
    "AmocrmError",
    "Answer",
    "ApiError",
    "AsyncFlysk",
    "Flysk",
    "FlyskError",
    "HoldEndedError",
    "IdempotencyKeyReusedError",
    "InstallNotActiveError",
    "InstallNotFoundError",
    "InsufficientBalanceError",
    "InvalidPathError",
    "InvalidSignatureError",
    "MoreThanChargedError",
    "NoAnswerError",
    "PriceAboveLimitError",
    "ReconnectRequiredError",
    "RetryPolicy",
    "TokenExpiredError",
    "TooManyRequestsError",
    "UnauthorizedError",
    "UnavailableError",
    "VersionConflictError",
    "__version__",
    "verify_event",
]
