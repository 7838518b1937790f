"""Refusals that only a server knows, each with a stable code like all errors; docs/api.md lists them."""

from __future__ import annotations

from app.protocol.errors import BadInput, NotAllowed, TryAgain, UsageError


class NotSignedIn(NotAllowed):
    """The route is for signed-in accounts, and the request carries no valid session or token."""


class SignInRefused(NotAllowed):
    """A sign-in message or its signature is not acceptable."""


class ScopeMissing(NotAllowed):
    """The token does not have the scope that the route asks for."""


class ForgedRequest(NotAllowed):
    """The request came from another site, or without the session's CSRF token."""


class UnknownHost(UsageError):
    """The request names a host that this node is not."""


class NoSuchRoute(UsageError):
    """There is nothing at this path."""


class MethodNotAllowed(UsageError):
    """The path does not take this method."""


class BadRequest(UsageError):
    """The request could not be read."""


class InvalidFields(BadInput):
    """Some fields are not acceptable; `errors` says which and why."""


class RangeNotSatisfiable(BadInput):
    """The range lies outside the object."""


class TooManyRequests(TryAgain):
    """The client asks too often."""

    def __init__(self, message: str, next_step: str = "", *, retry_after: float = 1.0) -> None:
        super().__init__(message, next_step)
        self.retry_after = retry_after


class Busy(TryAgain):
    """The node does as many of these at once as it may."""


class InternalError(TryAgain):
    """A fault of the node: not the client's."""
