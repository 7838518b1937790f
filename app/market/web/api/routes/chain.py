"""Transactions: prepared for a wallet, sent when signed, looked up; and JSON-RPC for wallets without a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends
from pydantic import Field, StringConstraints
from starlette.responses import JSONResponse, Response

from app.chain.node import GAS_MONEY, DevNode, NonceTaken
from app.chain.wallet.envelope import read_envelope
from app.market.queries.status import read_place
from app.market.queries.view import Amount
from app.market.web.api.answers import reply
from app.market.web.dependencies.caller import Spending, rate_cost
from app.market.web.dependencies.state import State
from app.market.web.errors.problems import error_responses
from app.market.web.fields import Address, ResponseModel, Tx
from app.market.web.fields import RequestModel as Model
from app.market.web.transactions.requests import SignerRequest, UnsignedTransaction
from app.market.web.transactions.unsigned import ACTIONS, Prepare
from app.protocol.errors import BadInput, NotAllowed, NotFound

router = APIRouter(tags=["transactions"])

MAX_BATCH = 100  # as ethers sends by itself

REQUESTS_OF_WORK = 20  # of a batch, for one of the caller's costs


class SignedTransaction(Model):
    """A raw EIP-1559 transaction."""

    raw: Annotated[
        str, StringConstraints(pattern=r"^0x([0-9a-fA-F]{2})+$", max_length=2 + (256 << 10)), Field(examples=["0x02"])
    ]


class SentTransaction(ResponseModel):
    """Its hash; look for its receipt at `location`."""

    tx: str
    location: str


class EventView(ResponseModel):
    """One event of the market's contracts. Integers are decimal text."""

    contract: str
    name: str
    args: dict[str, Any]


class TransactionReceipt(ResponseModel):
    """What became of a transaction."""

    tx: str
    block: int
    block_hash: str
    gas: int
    ok: bool
    events: tuple[EventView, ...]
    indexed: bool  # whether lists and cards of this node show what it did


class Funded(ResponseModel):
    """An account after the faucet."""

    address: str
    wei: Amount


class Needy(Model):
    """Who needs ether for gas."""

    account: Address


def _prepare_route(action: str, prepare: Prepare, order: type[SignerRequest], words: str) -> None:
    def route(asked: Any, here: State) -> Response:
        return reply(prepare(here, asked), headers={"cache-control": "no-store"})

    route.__name__ = f"prepare_{action.replace('-', '_')}"
    route.__doc__ = f"{words} The answer is to be signed; nothing is sent."
    route.__annotations__["asked"] = order
    register: Callable[[Callable[..., Response]], Any] = router.post(
        f"/transactions/{action}",
        response_model=UnsignedTransaction,
        responses=error_responses(404, 409, 502),
        dependencies=[Depends(rate_cost(1))],
    )
    register(route)


for _action, (_prepare, _order, _words) in ACTIONS.items():
    _prepare_route(_action, _prepare, _order, _words)


@router.post(
    "/transactions",
    response_model=SentTransaction,
    status_code=202,
    responses=error_responses(409),
    dependencies=[Depends(rate_cost(1))],
)
def send_transaction(signed: SignedTransaction, here: State) -> Response:
    """Send a signed transaction to one of the market's contracts."""
    raw = bytes.fromhex(signed.raw[2:])
    try:
        tx = here.relay.send(raw)
    except NonceTaken:
        nonce = read_envelope(raw).nonce
        raise NotAllowed(
            f"Another transaction used the nonce {nonce}.", "See what that one did before you sign another."
        ) from None
    where = f"/v1/transactions/{tx}"
    return reply(SentTransaction(tx=tx, location=where), 202, {"location": where})


@router.get(
    "/transactions/{tx}",
    response_model=TransactionReceipt,
    responses=error_responses(404)
    | {202: {"model": TransactionReceipt, "description": "A block holds it, and the index does not yet: ask again."}},
)
def get_transaction(tx: Tx, here: State) -> Response:
    """A transaction's receipt and events: 200 once the index has it, 202 until then, 404 before a block has it."""
    found = here.market.node.receipt(tx)
    events = tuple(
        EventView(contract=event.contract, name=event.name, args={key: _plain(v) for key, v in event.args.items()})
        for event in here.market.client.decode(found.logs)
    )
    with here.session() as session:
        indexed = read_place(session).height >= found.block
    told = TransactionReceipt(
        tx=found.tx, block=found.block, block_hash=found.block_hash, gas=found.gas, ok=found.ok, events=events,
        indexed=indexed,
    )  # fmt: skip
    return reply(told) if indexed else reply(told, 202, {"cache-control": "no-store", "retry-after": "1"})


@router.post("/rpc", response_class=JSONResponse, responses=error_responses(404))
def relay_rpc(
    here: State,
    spend: Spending,
    asked: Annotated[
        dict[str, Any] | list[Any],
        Body(examples=[{"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}]),
    ],
) -> Response:
    """JSON-RPC 2.0 for browser wallets: a few methods, and only for the market's contracts. Batches have up to 100."""
    if not here.settings.relay:
        raise NotFound("This node relays no JSON-RPC.", "Use the chain's own endpoint.")
    if isinstance(asked, list):
        if not 1 <= len(asked) <= MAX_BATCH:
            raise BadInput(f"A batch has 1 to {MAX_BATCH} requests.", "Send fewer.")
        spend(len(asked) // REQUESTS_OF_WORK)
        return JSONResponse([here.relay.answer(each) for each in asked])
    return JSONResponse(here.relay.answer(asked))


@router.post("/faucet", response_model=Funded, responses=error_responses(404), dependencies=[Depends(rate_cost(10))])
def fund_account(asked: Needy, here: State) -> Response:
    """Ether for gas, where the chain is one for demonstrations. It is worth nothing anywhere else."""
    node = here.market.node
    if not here.settings.faucet or not isinstance(node, DevNode):
        raise NotFound("This chain has no faucet.", "Send ether for gas from another account.")
    if node.balance(asked.account) < GAS_MONEY // 2:
        node.fund(asked.account, GAS_MONEY)
    return reply(Funded(address=asked.account, wei=node.balance(asked.account)))


def _plain(value: Any) -> Any:
    """Integers as text, since contract words do not fit JSON's numbers."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value]
