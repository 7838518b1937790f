"""Sending transactions so that none is lost, told as failed while it may still come, or sent twice.

One line of nonces per account, shared by the processes of a machine (`app.chain.outbox`): bytes are kept before they
leave. What is not mined is handed over again, and where the chain has become dearer signed again with higher fees, up
to a bound. An order that is repeated, by a person or after a crash, is answered with what the first one became.
"""

from __future__ import annotations

import hashlib
import random
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from eth_utils.crypto import keccak

from app.chain.node import ChainNode, Fees, NonceTaken, TxReceipt
from app.chain.outbox import Outbox, OutboxEntry, SentState, SignedCopy
from app.protocol.backoff import growing
from app.protocol.errors import BadInput, GasPriceTooHigh, NotFound, Reverted, TransactionPending, Unavailable
from app.protocol.ids import TxHash

if TYPE_CHECKING:
    from app.chain.wallet.account import Account

GWEI = 10**9
MAX_GAS_GWEI = 500  # gwei a unit of gas that is paid at most, where nothing else is said
RECEIPT_SECONDS = 180.0  # for which one call waits for its block
FIRST_POLL, LONGEST_POLL = 0.005, 1.0  # seconds; a local node answers in milliseconds, a public one is not hammered
RESEND_SECONDS = 5.0  # between handing the same bytes over again
BUMP_SECONDS = 20  # for which bytes wait before they may be signed with higher fees
REVIEW_SECONDS = 30.0  # between looks at what is mined and not final
LOST_LOOKS = 3  # at a used nonce without a receipt, before another transaction is believed to have used it
NONCE_TRIES = 32  # how often somebody else with the same key may be quicker before a transaction is given up
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 1.0  # seconds between two tries, each drawn at random up to a bound that grows
FEE_MARK = 1 << 24  # wei: a hundredth of a gwei, never paid


def bounded(fees: Fees, most: int) -> Fees:
    """Fees within a bound. Errors: GasPriceTooHigh where the next block would not take them. Wei a unit of gas."""
    room = most - FEE_MARK
    if fees.present > room:
        raise GasPriceTooHigh(
            f"The chain asks for {fees.present / GWEI:.6g} gwei a unit of gas, and at most {most / GWEI:.6g} are paid.",
            "Wait until it is cheaper, or raise max_gas_gwei in the home's node.json.",
        )
    return Fees(max_fee=min(fees.max_fee, room), tip=fees.tip)


def raised(old: Fees, advised: Fees, most: int) -> Fees | None:
    """Higher fees for a transaction that waits, at least an eighth more, as nodes demand of a replacement.

    None while the old ones are what the chain asks for, and where the bound leaves no room.
    """
    if advised.present <= old.max_fee and advised.tip <= old.tip:
        return None
    tip = max(advised.tip, old.tip + old.tip // 8 + 1)
    fee = max(advised.max_fee, old.max_fee + old.max_fee // 8 + 1)
    return Fees(max_fee=fee, tip=tip) if fee + FEE_MARK <= most else None


class Sender:
    """Signs with accounts and sends to one node."""

    def __init__(
        self,
        node: ChainNode,
        outbox: Outbox | None = None,
        *,
        most: int = MAX_GAS_GWEI * GWEI,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`most` wei a unit of gas are paid. Without an outbox on disk nothing outlives this object."""
        self.node, self.outbox, self.most, self._pause = node, outbox or Outbox(), most, pause
        self._chain = ""
        self._submitted: dict[TxHash, float] = {}  # when this process handed it over last, by the monotonic clock
        self._reviewed: dict[str, float] = {}

    def earlier(self, account: Account, purpose: str) -> TxReceipt | None:
        """What an order became that was given before: its receipt, waited for; None for one that was never carried out.

        Errors: TransactionPending, Unavailable.
        """
        for entry in self.outbox.ordered(self._identity(), account.address, purpose):
            if entry.state is SentState.OVER:
                return self.node.receipt(entry.tx)
            receipt = self._await(account, entry)
            if receipt is not None and receipt.ok:
                return receipt
        return None

    def send(
        self,
        account: Account,
        to: str | None,
        data: bytes,
        *,
        purpose: str = "",
        again: bool = False,
        join: bool = False,
    ) -> TxReceipt:
        """Estimate, keep, sign, send, wait; again with the next nonce where another machine signed with the account.

        With a `purpose` that was carried out before, and not `again`: that receipt. Without one: an equal call that was
        sent before and that no process waits for any more is waited for instead, and with `join`, for calls that a
        contract takes once, any equal call that is under way. Tries are apart by random pauses, so
        that of machines with one account each gets its turn. Errors: ExecutionReverted, GasPriceTooHigh, Reverted,
        BadInput; TransactionPending for one that was sent and may still come; Unavailable for one that was not sent.
        """
        call = hashlib.sha256((to or "").encode() + data).hexdigest()
        for failures in range(NONCE_TRIES):
            if failures:
                self._pause(random.uniform(0, growing(FIRST_PAUSE, failures, LONGEST_PAUSE)))  # noqa: S311 - no secret
            if purpose and not again and (found := self.earlier(account, purpose)):
                return found
            with self.outbox.line(account.address):
                self._tend(account)
                entry = self._under_way(account, call, purpose, again=again, join=join)
                if entry is None:
                    entry = self._new(account, to, data, call, purpose)
            if entry is not None and (receipt := self._await(account, entry)) is not None:
                return receipt
        raise Unavailable(
            f"Other processes keep sending transactions of {account.address}.",
            "Stop them, or give each its own account.",
        )

    def _under_way(self, account: Account, call: str, purpose: str, *, again: bool, join: bool) -> OutboxEntry | None:
        """What another process, or this one before it was killed, has sent for the same; the caller holds the line."""
        chain, found = self._identity(), None
        if purpose and not again:
            for entry in self.outbox.ordered(chain, account.address, purpose):
                there = entry.state is not SentState.OPEN and self._there(account, entry)
                if entry.state is SentState.OPEN or (there and there.ok):
                    return entry
        elif not purpose and (found := self.outbox.same_call(chain, account.address, call, left=not join)):
            if found.state is SentState.MINED and self._there(account, found):
                return None if join else found  # it is done, and the contract decides whether it can be done again
            if found.state is SentState.MINED:
                found = self._reopened(found)
        return found

    def _reopened(self, entry: OutboxEntry) -> OutboxEntry:
        """A reorganisation took its block: it is handed over again at once."""
        for copy in entry.copies:
            self._submitted.pop(copy.tx, None)
        self.outbox.reopened(entry)
        return self.outbox.entry(entry.id)

    def _there(self, account: Account, entry: OutboxEntry) -> TxReceipt | None:
        return self.node.fates(account.address, [entry.tx]).receipts.get(entry.tx)

    def _new(self, account: Account, to: str | None, data: bytes, call: str, purpose: str) -> OutboxEntry | None:
        """Keep and hand over a new transaction; None when its nonce was used by somebody else."""
        node, chain = self.node, self._identity()
        gas = node.estimate(account.address, to, data)
        before = self.outbox.unfinished(chain, account.address)
        taken = [each.nonce + 1 for each in before if each.under_way]
        nonce = max([node.nonce(account.address), *taken])
        copy = self._signed(account, nonce, to, data, gas, bounded(node.fees(), self.most))
        entry = self.outbox.add(
            chain, account.address, nonce=nonce, call=call, purpose=purpose, to=to, data=data, gas=gas, copy=copy
        )
        try:
            self._submit(entry, copy)
        except NonceTaken:
            if not node.fates(account.address, [copy.tx]).receipts:
                self.outbox.lost(entry)
                return None
        except (BadInput, Reverted):
            self.outbox.lost(entry)  # the node has refused it, and has no transaction of this hash
            raise
        except Unavailable:
            pass  # it may have arrived: it is waited for, and handed over again
        except BaseException:  # this process is told to end
            self.outbox.waited_for(entry, False)
            raise
        return entry

    def _await(self, account: Account, entry: OutboxEntry) -> TxReceipt | None:
        """The receipt once a block holds it; None where another used its nonce. Errors: TransactionPending."""
        self.outbox.waited_for(entry, True)
        try:
            receipt = self._looked_for(account, self.outbox.entry(entry.id))
        except BaseException:  # the time is over, or this process is told to end
            self.outbox.waited_for(entry, False)
            raise
        self.outbox.told(entry)
        return receipt

    def _looked_for(self, account: Account, entry: OutboxEntry) -> TxReceipt | None:
        pause, limit, lost, looks = FIRST_POLL, time.monotonic() + RECEIPT_SECONDS, "", 0
        while True:
            try:
                fates = self.node.fates(account.address, [each.tx for each in entry.copies] or [entry.tx])
                for receipt in fates.receipts.values():
                    self.outbox.mined(entry, receipt)
                    return receipt
                if entry.state is SentState.MINED:
                    entry = self._reopened(entry)
                looks = looks + 1 if fates.used > entry.nonce else 0
                if looks >= LOST_LOOKS:
                    self.outbox.lost(entry)
                    return None
                lost = ""
                if time.monotonic() - self._submitted.get(entry.tx, 0.0) > RESEND_SECONDS:
                    with self.outbox.line(account.address):
                        self._tend(account)
                    entry = self.outbox.entry(entry.id)
            except Unavailable as error:
                lost = f" (the last answer: {error.message})"
            if time.monotonic() > limit:
                raise TransactionPending(
                    f"Transaction {entry.tx} was sent and is in no block after {RECEIPT_SECONDS:.0f} s{lost}.",
                    "Run the same command again: it waits for this one and sends no other.",
                )
            self._pause(pause)
            pause = min(pause * 1.3, LONGEST_POLL)

    def _tend(self, account: Account) -> None:
        """Bring what was sent before on its way again, and forget what is final; the caller holds the account's line.

        Errors: Unavailable.
        """
        chain, who = self._identity(), account.address
        entries = self.outbox.unfinished(chain, who)
        review = time.monotonic() - self._reviewed.get(who, float("-inf")) > REVIEW_SECONDS
        looked = [each for each in entries if (each.state is SentState.OPEN and self._rested(each)) or review]
        if not looked:
            return
        fates = self.node.fates(who, [copy.tx for each in looked for copy in each.copies])
        for entry in looked:
            receipt = next((fates.receipts[each.tx] for each in entry.copies if each.tx in fates.receipts), None)
            if receipt is not None:
                self.outbox.mined(entry, receipt)
            elif entry.state is SentState.MINED:
                self._reopened(entry)  # it goes on its way with the next look
            elif not entry.under_way:
                if fates.used > entry.nonce:
                    self.outbox.lost(entry)
            elif self._rested(entry):
                self._push(account, entry, used=fates.used > entry.nonce)
        if review:
            self.outbox.finish(chain, who, self.node.finalized().number)
            self._reviewed[who] = time.monotonic()

    def _rested(self, entry: OutboxEntry) -> bool:
        """Whether its newest bytes were handed over some time ago, or by another process."""
        return time.monotonic() - self._submitted.get(entry.copies[-1].tx, float("-inf")) > RESEND_SECONDS

    def _push(self, account: Account, entry: OutboxEntry, *, used: bool) -> None:
        """Hand an open transaction over again, with higher fees where it has waited and the chain has become dearer.

        `used`: the chain says that its nonce is used; where the node refuses it for that too, it is lost.
        """
        newest = entry.copies[-1]
        waited = time.time() - newest.at >= BUMP_SECONDS and not used
        if waited and (fees := raised(newest.fees, self.node.fees(), self.most)) is not None:
            newest = self._signed(account, entry.nonce, entry.to, entry.data, entry.gas, fees)
            self.outbox.add_copy(entry, newest)
        try:
            self._submit(entry, newest)
        except NonceTaken:
            if used:
                self.outbox.lost(entry)
        except (BadInput, Reverted):
            return  # whoever waits for it goes on waiting: what the node minds now may pass

    def _submit(self, entry: OutboxEntry, copy: SignedCopy) -> None:
        self._submitted[copy.tx] = time.monotonic()
        self.node.submit(copy.raw)
        self.outbox.handed(entry)

    def _signed(self, account: Account, nonce: int, to: str | None, data: bytes, gas: int, fees: Fees) -> SignedCopy:
        """The bound on the fee gets a mark that nobody else chooses: two machines of one account never sign the same
        bytes, so that equal bytes are always one transaction sent again.
        """
        fees = Fees(max_fee=fees.max_fee + secrets.randbelow(FEE_MARK), tip=fees.tip)
        raw = account.sign_transaction(chain_id=self.node.chain_id, nonce=nonce, to=to, data=data, gas=gas, fees=fees)
        return SignedCopy(TxHash("0x" + bytes(keccak(raw)).hex()), raw, fees, int(time.time()))

    def _identity(self) -> str:
        """The chain by id and first block: another chain with the same id is another one."""
        if not self._chain:
            try:
                first = self.node.block(0).hash
            except NotFound:
                first = ""
            self._chain = f"{self.node.chain_id}:{first}"
        return self._chain
