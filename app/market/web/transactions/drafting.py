"""How a prepared action is put together: a call alone, a call after others, or a call that pays."""

from __future__ import annotations

from typing import Any

from app.chain.contracts.token import COIN
from app.chain.unsigned import PermitRequest, UnsignedCall, split_permit
from app.market.web.dependencies.state import AppState
from app.market.web.transactions.requests import (
    Permit,
    Permitted,
    SignerRequest,
    Transaction,
    TypedPermit,
    UnsignedTransaction,
    WalletRequest,
)
from app.protocol.errors import Reverted


def paying(
    here: AppState,
    order: Permitted,
    action: str,
    summary: tuple[str, ...],
    contract: str,
    amount: int,
    function: str,
    *args: Any,
) -> UnsignedTransaction:
    """A call that takes `amount` from the account: by an allowance that is there, an approval, or a permit.

    Errors: Reverted for an account that has less, before anything is signed; those of `plain`.
    """
    if (held := here.market.balance(order.account)) < amount:
        raise _poor(here, held, amount)
    if amount <= here.market.allowance(order.account, contract):
        return plain(here, order, action, summary, contract, function, *args)
    if order.approval:
        return after(here, order, action, summary, (approve(here, order, contract, amount),), contract, function, *args)
    leave = f"You let the {contract} contract take {here.coin.text(amount)} of your tokens, and no more."
    if order.permit is None:
        request = here.drafter.permit(order.account, contract, amount)
        return prepared(action, order.account, (*summary, leave), (), request)
    permit = _split(order.permit)
    return plain(here, order, action, (*summary, leave), contract, permitted(function), *args, *permit)


def permitted(function: str) -> str:
    """The contracts' name of a function that pays, with the permit in the same call."""
    return f"{function}AndPermit" if "With" in function else f"{function}WithPermit"


def plain(
    here: AppState,
    order: SignerRequest,
    action: str,
    summary: tuple[str, ...],
    contract: str,
    function: str,
    *args: Any,
) -> UnsignedTransaction:
    """One call. Errors: Reverted where it would fail; BadInput; Unavailable."""
    return prepared(action, order.account, summary, [here.drafter.draft(order.account, contract, function, *args)])


def after(
    here: AppState,
    order: SignerRequest,
    action: str,
    summary: tuple[str, ...],
    first: tuple[UnsignedCall, ...],
    contract: str,
    function: str,
    *args: Any,
) -> UnsignedTransaction:
    """A call after others, whose gas stays open. Errors: as `plain`."""
    last = here.drafter.draft(order.account, contract, function, *args, after=len(first))
    return prepared(action, order.account, summary, (*first, last))


def approve(here: AppState, order: SignerRequest, contract: str, amount: int) -> UnsignedCall:
    """Leave for a contract to take `amount` of the account's tokens."""
    return here.drafter.draft(order.account, COIN, "approve", here.market.client.address(contract), amount)


def _poor(here: AppState, held: int, amount: int) -> Reverted:
    words = f"The account has {here.coin.text(held)}, and this takes {here.coin.text(amount)}."
    test = here.market.coin_is_test
    step = "Mint test money: POST /v1/transactions/faucet." if test else f"Send {here.coin.symbol} to it first."
    return Reverted(words, step, reason="ERC20InsufficientBalance")


def _split(permit: Permit) -> tuple[Any, ...]:
    return split_permit(permit.deadline, permit.signature)


def prepared(
    action: str, account: str, summary: tuple[str, ...], drafts: Any, permit: PermitRequest | None = None
) -> UnsignedTransaction:
    """Drafts, or the permit that is to be signed before them, with what they mean."""
    return UnsignedTransaction(
        action=action,
        account=account,
        summary=summary,
        permit=None
        if permit is None
        else TypedPermit(
            spender=permit.spender, amount=permit.amount, deadline=permit.deadline, typed_data=permit.typed_data
        ),
        transactions=tuple(_transaction(draft) for draft in drafts),
    )


def _transaction(draft: UnsignedCall) -> Transaction:
    return Transaction(
        contract=draft.contract,
        function=draft.function,
        gas=draft.gas,
        cost=None if draft.gas is None else draft.gas * draft.max_fee,
        request=WalletRequest(
            sender=draft.sender,
            to=draft.to,
            data="0x" + draft.data.hex(),
            value=hex(draft.value),
            chainId=hex(draft.chain_id),
            nonce=hex(draft.nonce),
            gas=None if draft.gas is None else hex(draft.gas),
            maxFeePerGas=hex(draft.max_fee),
            maxPriorityFeePerGas=hex(draft.tip),
        ),
    )
