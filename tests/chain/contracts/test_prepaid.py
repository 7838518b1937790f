"""New markets are in dollars that take signed transfers, and homes of before get prepaid orders beside theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.chain.contracts.beside import BesideDeployment, deploy_mandates, record_of
from app.chain.contracts.deployment import deploy
from app.chain.contracts.dollars import in_dollars
from app.chain.evm.embedded import EmbeddedChain
from app.chain.market import Market
from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.errors import NotFound
from tests.support.market import DOLLAR, ETHER, TERMS, person


def test_a_new_market_takes_signed_transfers_and_one_of_before_goes_on(tmp_path: Path) -> None:
    """The token is one of the market's terms: an interrupted deployment keeps it, its faucet works, and it is told
    apart from the test dollar of before, which takes no signed transfers. A record of mandates without prepaid orders
    is read, and gets them.
    """
    chain, deployer = EmbeddedChain(tmp_path / "chain.sqlite"), person("deployer")
    chain.fund(deployer.address, ETHER)
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    told: list[str] = []
    terms = in_dollars(chain, deployer, new, TERMS, lambda done: told.append(done.name))
    deploy(chain, deployer, new, terms)
    assert in_dollars(chain, deployer, new, TERMS) == terms
    assert told == ["TestUSD"]
    deploy(chain, deployer, old, TERMS)
    for path, takes in ((new, True), (old, False)):
        deploy_mandates(chain, deployer, path)
        market = Market.open(chain, path)
        assert (market.coin_takes_authorizations(), market.coin_is_test) == (takes, True)
        market.faucet(deployer, DOLLAR)
        assert market.balance(deployer.address) == DOLLAR
    record = BesideDeployment.from_bytes(record_of(old).read_bytes()[:MAX_DOCUMENT_BYTES])
    record_of(old).write_bytes(record.model_copy(update={"orders": None}).to_bytes())
    assert b"orders" not in record_of(old).read_bytes()
    with pytest.raises(NotFound, match="not deployed"):
        Market.open(chain, old).orders_required()
    again = deploy_mandates(chain, deployer, old)
    assert again.mandates == record.mandates
    assert again.orders
    assert Market.open(chain, old).orders_required() == again.orders.address
    assert deploy_mandates(chain, deployer, old) == again
    chain.close()
