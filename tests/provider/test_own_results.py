"""What a provider has is of an order, and not of a number."""

from __future__ import annotations

from app.execution.execute import execute
from app.execution.inputs import load_job_inputs
from app.protocol.market.receipt import Receipt
from app.provider.actions import Done
from tests.provider.shop import Shop


def test_a_number_that_belongs_to_another_order_by_now_is_computed_anew(shop: Shop) -> None:
    """After a reorganisation a job's number may be another order's: what was computed of the old one is not committed
    to, and accuses nobody.
    """
    account, market = shop.stage.providers[0], shop.stage.market
    before = shop.open()
    market.draw(shop.stage.buyer, before)
    assert [each.what for each in shop.agent(account, keep_drawing=False).step()] == [Done.COMMITTED]
    (folder,) = (shop.folder / account.address).rglob("jobs")
    now = shop.open()
    for file in folder.glob(f"{before}.*"):
        (folder / file.name.replace(str(before), str(now), 1)).write_bytes(file.read_bytes())
    receipt = folder / f"{now}.receipt"
    said = Receipt.from_bytes(receipt.read_bytes())
    receipt.write_bytes(said.model_copy(update={"job": now, "first_row": said.first_row + 1}).to_bytes())
    market.draw(shop.stage.buyer, now)
    agent = shop.agent(account, keep_drawing=False)
    done = [each for each in agent.step() if each.job == now]
    right = execute(load_job_inputs(market, shop.world.store, now), shop.world.store, threads=1).receipt.digest
    assert [(each.what, each.detail) for each in done] == [(Done.COMMITTED, right)]
    assert [each.what for each in agent.step()] == []
