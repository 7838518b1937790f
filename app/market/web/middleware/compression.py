"""Pages and static files travel compressed; what the API answers does not."""

from __future__ import annotations

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Receive, Scope, Send


class PageCompression(GZipMiddleware):
    """Starlette's, for everything that is no answer of the API.

    An answer of the API may hold a secret, such as a session's CSRF token or a new token, beside what the asker chose;
    its compressed length would tell guesses from misses (BREACH). A page holds none. Event streams are the API's.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
