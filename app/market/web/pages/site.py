"""Templates, static files and what every page shows: the one place where a page becomes a response."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from app.chain.contracts.token import COIN
from app.chain.node import DevNode
from app.market.web.dependencies.state import AppState, Coin, State
from app.market.web.language.catalogue import LANGUAGES, Translation
from app.market.web.language.choice import spoken
from app.market.web.language.marking import MarkedText
from app.market.web.pages import speaking
from app.market.web.pages.assets import FRONTEND, Assets
from app.market.web.pages.freshness import look
from app.protocol.errors import DarkroomError

HTMX = "vendor/htmx-2.0.11.min.js"
FONT = "vendor/atkinson-hyperlegible-next-5.3.0.woff2"
MENU = (("/", "Catalogue"), ("/jobs", "Jobs"), ("/network", "Network"), ("/owner", "Sell data"))


def environment() -> Environment:
    """The templates: their text is marked for translation as they are read, and what they are given is escaped."""
    made = Environment(
        loader=FileSystemLoader(FRONTEND / "templates"),
        extensions=["jinja2.ext.i18n", MarkedText],
        autoescape=select_autoescape(["html"], default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        optimized=False,  # a filter of a constant would be computed once, in the language of the first page
    )
    i18n: Any = made
    i18n.install_gettext_callables(
        lambda text: spoken().gettext(text),
        lambda one, many, number: spoken().ngettext(one, many, number),
        newstyle=True,
    )
    made.filters.update(speaking.FILTERS)
    return made


class Site:
    """The pages' shared parts; one for each application."""

    def __init__(self, backend: AppState) -> None:
        self.backend = backend
        self.assets = Assets()
        self.templates = environment()
        self.templates.filters["money"] = self.shown_money
        self.templates.filters["plain_money"] = self.plain_money
        self.templates.globals.update(
            asset=self.assets.url,
            integrity=self.assets.integrity,
            modules=self.assets.modules,
            htmx=HTMX,
            font=FONT,
            menu=MENU,
            languages=LANGUAGES,
            MAX_FIELD=200,
        )

    def money(self, units: int) -> str:
        """Token units as people write them, two digits at least: "25.00 tUSD"."""
        whole, _, rest = f"{self._coins(units):,f}".partition(".")
        return f"{whole}.{rest.rstrip('0').ljust(2, '0')} {self.backend.coin.symbol}"

    def shown_money(self, units: int) -> str:
        """The same as a page shows it, with its language's separators."""
        return speaking.said_amount(self.money(units))

    def plain_money(self, units: int) -> str:
        """The same for a form's field: no separators, no name of the coin."""
        text = f"{self._coins(units):f}"
        return text.rstrip("0").rstrip(".") if "." in text else text

    def _coins(self, units: int) -> Decimal:
        return Decimal(units).scaleb(-self.backend.coin.decimals)

    @property
    def test_money(self) -> bool:
        """Whether visitors may mint the payment token; False while the chain does not answer."""
        try:
            return self.backend.market.coin_is_test
        except DarkroomError:
            return False

    def config(self, coin: Coin) -> dict[str, Any]:
        """What scripts check everything against: the chain, its contracts, the coin."""
        market = self.backend.market
        return {
            "chainId": market.chain_id,
            "contracts": market.addresses,
            "coin": {"contract": COIN, "symbol": coin.symbol, "decimals": coin.decimals},
            "demo": isinstance(market.node, DevNode) and self.backend.settings.relay,
            "testMoney": bool(coin.symbol) and self.test_money,
            "faucet": isinstance(market.node, DevNode) and self.backend.settings.faucet,
            "relay": self.backend.settings.relay,
            "now": self.backend.now(),
        }

    def _messages(self, words: Translation, scripts: tuple[str, ...]) -> str:
        """The words of a page's scripts as JSON, "" where they are written in its language."""
        if not words.scripts:
            return ""
        wanted = words.of_scripts(self.assets.modules(scripts))
        return json.dumps(wanted, ensure_ascii=False, separators=(",", ":"))

    def page(
        self,
        request: Request,
        template: str,
        *,
        title: str,
        status: int = 200,
        scripts: tuple[str, ...] = (),
        coin: Coin | None = None,
        chosen_title: bool = False,
        **values: Any,
    ) -> HTMLResponse:
        """A whole page. `scripts` are the modules that it starts besides those of every page; `coin`, the payment token
        unless it is given, as on a page without amounts that must work while the chain does not answer. `chosen_title`:
        the title is a name that somebody chose, and no words of ours.
        """
        coin = coin or self.backend.coin
        text = self.templates.get_template(template).render(
            title=title if chosen_title else speaking.said(title),
            language=spoken().language,
            path=request.url.path,
            here=f"{request.url.path}?{request.url.query}".rstrip("?"),
            scripts=("page.js", *scripts),
            config=json.dumps(self.config(coin), separators=(",", ":")),
            messages=self._messages(spoken(), ("page.js", *scripts)),
            now=self.backend.now(),
            coin=coin.symbol,
            trouble=look(self.backend),
            drained=self.backend.market.edition if self.backend.market.drained else "",
            **values,
        )
        return HTMLResponse(text, status, {"cache-control": "no-store"})  # Back would show what is true no more


@dataclass(frozen=True)
class Visit:
    """One request for a page."""

    request: Request
    site: Site
    backend: AppState

    def page(self, template: str, **values: Any) -> HTMLResponse:
        """See `Site.page`."""
        return self.site.page(self.request, template, **values)


async def visit(request: Request, backend: State) -> Visit:
    """The request with the site behind it. A coroutine, since a function would take a turn on another thread."""
    site: Any = request.app.state.site
    assert isinstance(site, Site)
    return Visit(request, site, backend)


Visiting = Annotated[Visit, Depends(visit)]
