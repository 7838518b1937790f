"""Mistakes planted in the contracts, one at a time: each must make a forge test fail.

`python -m tests.contracts.mutants [NAME...]` plants them and tells which were caught. A mutant lives in a copy of the
sources, never in the checkout. Long because each mistake stands here with the text that it replaces.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.contracts.tooling import CONTRACTS, forge

_QUICK = {
    "FOUNDRY_OPTIMIZER": "false",  # compiles in half the time
    "FOUNDRY_FUZZ_RUNS": "32",
    "FOUNDRY_INVARIANT_RUNS": "4",
}


@dataclass(frozen=True)
class Mutant:
    """In `source`, the one occurrence of `right` becomes `wrong`."""

    name: str
    source: str
    right: str
    wrong: str


MUTANTS = (
    # What judges a trace
    Mutant("ties go up", "dispute/Binary64", "rest > half || (rest == half && q & 1 == 1)", "rest >= half"),
    Mutant(
        "paths are too long",
        "dispute/Leaves",
        "return used == siblings.length ? digest : bytes32(0);",
        "return digest;",
    ),
    Mutant("short leaves stand", "dispute/Leaves", "if (leaf.length != expected) return false;", ""),
    # Money paid twice, to the wrong one, or to nobody
    Mutant("a job settles twice", "Custody", "stored = _inState(job, State.COMPUTED);", "stored = _jobs[job];"),
    Mutant("the buyer gets the fee", "Settlement", "_credit(list[k], each[k]);", "_credit(stored.buyer, each[k]);"),
    Mutant(
        "a refusal keeps the price",
        "JobMarket",
        "uint256(stored.price) + stored.maxFee - fees);",
        "stored.maxFee - fees);",
    ),
    Mutant("unspent fees are stuck", "JobMarket", "_refund(job, stored.buyer, stored.maxFee - fees);", ""),
    Mutant(
        "an expired job keeps the fees",
        "JobMarket",
        "_refund(job, stored.buyer, uint256(stored.price) + stored.maxFee);",
        "_refund(job, stored.buyer, stored.price);",
    ),
    Mutant(
        "a failed job keeps the fees",
        "Rounds",
        "_refund(job, stored.buyer, uint256(stored.price) + stored.maxFee);",
        "_refund(job, stored.buyer, stored.price);",
    ),
    Mutant(
        "a slashed stake is paid out and burned", "ProviderRegistry", "burned += amount - paid;", "burned += amount;"
    ),
    Mutant(
        "the price is earned twice",
        "JobMarket",
        "_earn(stored.offer, stored.price);",
        "_earn(stored.offer, stored.price * 2);",
    ),
    Mutant("a claim is paid twice", "Payments", "claimable[msg.sender] = 0;", ""),
    Mutant("earnings are collected twice", "Payments", "account.distributed = account.received;", ""),
    Mutant("rounding loses a coin", "Payments", "i + 1 == shares.length ? left : ", ""),
    # The custodian's bond and its doubt
    Mutant(
        "a silent custodian pays nothing",
        "JobMarket",
        "_expired(job, stored, fees + owed);",
        "_expired(job, stored, owed);",
    ),
    Mutant("a bond is taken out under open jobs", "Custody", "bond.held = uint96(held + amount);", ""),
    Mutant("a bond stays held for ever", "Custody", "bond.held -= uint96(amount);", ""),
    Mutant("a lost ledger answers", "Custody", "if (head != present) revert StaleHead(dataset, present);", ""),
    Mutant(
        "a custodian doubts without end",
        "Contest",
        "if (stored.contestedFrom != 0) revert AlreadyContested(job);",
        "",
    ),
    Mutant("a contest is free", "Contest", "_hold(stored.dataset, _contestHold(stored));", ""),
    Mutant(
        "a contest is decided by as many as the result had",
        "JobStore",
        "stored.contestedFrom == 0 ? stored.replicas : stored.replicas + 1;",
        "stored.replicas;",
    ),
    Mutant(
        "liars pay nothing for those who found them",
        "Settlement",
        "revealed & ~winners, overturned ? owed : 0);",
        "revealed & ~winners, 0);",
    ),
    Mutant(
        "an undecided contest blames the others",
        "JobStore",
        "winners = uint256(stored.revealed) >> from << from | _agreeing(job, stored, first, from);",
        "winners = _agreeing(job, stored, first, from);",
    ),
    Mutant(
        "a contest calls whom nobody can pay",
        "Rounds",
        "return Math.min(cap, stakes / (stored.replicas + 1));",
        "return cap;",
    ),
    # Bits
    Mutant(
        "more bits are sold than there are",
        "LicenseMarket",
        "if (asked > terms.budget - reserved) revert BudgetExceeded(terms.dataset, terms.budget - reserved, asked);",
        "",
    ),
    Mutant("an offer never sells out", "LicenseMarket", "account.licensesLeft -= 1;", ""),
    Mutant("unsold bits are lost", "LicenseMarket", "_free(dataset, unsold * account.microBits);", ""),
    Mutant(
        "a license is settled under running jobs",
        "LicenseMarket",
        "if (block.timestamp <= until) revert JobsMayRun(license, until);",
        "",
    ),
    Mutant(
        "a license is settled while it is good",
        "LicenseMarket",
        "revert LicenseNotOver(license);",
        "",
    ),
    Mutant("a license is settled twice", "LicenseMarket", "stored.settled = true;", ""),
    Mutant(
        "an order for other rows is taken",
        "JobMarket",
        "order.version != version || order.content != content",
        "order.version != version",
    ),
    Mutant("a withdrawn bond stays on the books", "ProviderRegistry", "delete _records[msg.sender];", ""),
    # Deadlines
    Mutant(
        "the custodian may answer late",
        "Custody",
        "        _checkOpen(job, stored);\n",
        "",
    ),
    Mutant(
        "an executor may commit late",
        "Rounds",
        "_checkOpen(job, stored);\n        if (commitment == bytes32(0))",
        "if (commitment == bytes32(0))",
    ),
    Mutant(
        "a job expires before its deadline",
        "JobMarket",
        "if (block.timestamp <= stored.deadline) revert DeadlineNotReached(job, stored.deadline);",
        "",
    ),
    Mutant(
        "the last commitment leaves the deadline",
        "Rounds",
        "stored.deadline = uint32(block.timestamp + revealWindow);",
        "",
    ),
    Mutant(
        "a license never expires",
        "LicenseMarket",
        "if (block.timestamp > until) revert LicenseExpired(license, until);",
        "",
    ),
    Mutant(
        "a bond returns at once",
        "ProviderRegistry",
        "if (block.timestamp < record.unbonding) revert UnbondingUntil(record.unbonding);",
        "",
    ),
    Mutant(
        "a pause has no end", "Guarded", "if (duration == 0 || duration > MAX_PAUSE) revert PauseTooLong(duration);", ""
    ),
    Mutant(
        "a pause follows a pause", "Guarded", "if (block.timestamp < nextPause) revert PauseTooSoon(nextPause);", ""
    ),
    # Quotas
    Mutant("jobs without a quota", "LicenseMarket", "if (use.jobs >= terms.maxJobs) revert NoJobsLeft(license);", ""),
    Mutant("one row too many", "LicenseMarket", "firstRow > total - rows", "firstRow > total - rows + 1"),
    Mutant("rows are not counted", "LicenseMarket", "use.rows += uint64(rows);", ""),
    Mutant(
        "a failed job keeps the use",
        "Rounds",
        "licenses.restore(stored.license, stored.rows);",
        "",
    ),
    Mutant(
        "an expired job keeps the use",
        "JobMarket",
        "_close(stored, State.EXPIRED);\n        licenses.restore(stored.license, stored.rows);",
        "_close(stored, State.EXPIRED);",
    ),
    Mutant(
        "used jobs are refunded",
        "LicenseMarket",
        "Math.min(byTime, Math.min(byJobs, byRows))",
        "Math.min(byTime, byRows)",
    ),
    # Who may
    Mutant("anybody releases", "Custody", "if (custodian != msg.sender) revert NotCustodian(job, msg.sender);", ""),
    Mutant(
        "anybody uses a license",
        "LicenseMarket",
        "if (stored.buyer != buyer) revert NotLicenseHolder(license, buyer);",
        "",
    ),
    Mutant("anybody slashes", "ProviderRegistry", "if (msg.sender != jobMarket) revert OnlyJobMarket(msg.sender);", ""),
    Mutant(
        "a sold dataset's offers stay open",
        "LicenseMarket",
        "if (owner != terms.seller) revert SellerSoldDataset(offer);",
        "",
    ),
    Mutant(
        "a tombstoned dataset runs jobs",
        "LicenseMarket",
        "if (tombstoned) revert DatasetClosed(dataset);\n        if (rows",
        "if (rows",
    ),
    Mutant("the buyer executes", "Rounds", "list[0] = stored.buyer;", ""),
    Mutant(
        "a royalty is taken away", "DatasetRegistry", "if (_royaltySet[dataset]) revert RoyaltyAlreadySet(dataset);", ""
    ),
    # The owner's word
    Mutant(
        "a denied job is released",
        "JobMarket",
        "if (stored.approval == Approval.DENIED) revert DeniedByOwner(job);",
        "",
    ),
    Mutant(
        "anybody approves",
        "Approvals",
        "if (_ownerOf(stored.dataset) != msg.sender) revert NotOwner(job, msg.sender);",
        "",
    ),
    Mutant(
        "the custodian approves",
        "Wired",
        "(owner,) = datasets.parties(dataset);",
        "(, owner) = datasets.parties(dataset);",
    ),
    Mutant(
        "a word is taken back",
        "Approvals",
        "if (stored.approval != Approval.NONE) revert AlreadyAnswered(job, stored.approval);",
        "",
    ),
    Mutant(
        "a word on a job that is over", "Approvals", "state == State.NONE || _terminal(state)", "state == State.NONE"
    ),
    Mutant("a no is a yes", "Approvals", "_say(job, Approval.DENIED);", "_say(job, Approval.APPROVED);"),
    Mutant(
        "nobody hears of the custodian",
        "DatasetRegistry",
        "emit CustodianChanged(dataset, custodian);\n        _mint",
        "_mint",
    ),
    # Commit, reveal, agree
    Mutant("a digest is shown too early", "Rounds", "if (!_allCommitted(stored)) revert RevealsNotOpen(job);", ""),
    Mutant("a commitment can be copied", "JobStore", "job, provider, receipt, salt));", "job, receipt, salt));"),
    Mutant("two of three agree", "Rounds", "if (equal >= _quorum(stored)) _computed", "if (equal >= 2) _computed"),
    Mutant(
        "a liar keeps the bond", "Settlement", "if (_has(liars, i)) covered += _slash", "if (false) covered += _slash"
    ),
    Mutant("the silent keep the bond", "Rounds", "_slash(job, stored, i, true, 0);", ""),
    Mutant(
        "reveals open although one declined",
        "Rounds",
        "if (_missing(job, stored) > 0) return _redraw(job, stored);",
        "",
    ),
    Mutant("who declines stays bound", "Rounds", "_unlock(job, stored, ~(uint256(1) << index), 0);", ""),
    Mutant(
        "one declines after committing",
        "Rounds",
        "if (_has(stored.committed, index)) revert AlreadyCommitted(job, msg.sender);\n        stored.out",
        "stored.out",
    ),
    Mutant("disputes without end", "Rounds", "round >= MAX_ROUNDS || ", ""),
    Mutant("the winners' stakes stay held", "Settlement", "providers.unlock(list, fees, stored.units);", ""),
    # The draw
    Mutant(
        "the seed of a dispute is known when it arms",
        "Rounds",
        "seedBlock = block.number + 1;",
        "seedBlock = block.number;",
    ),
    Mutant(
        "the seed is known at the opening",
        "JobMarket",
        "stored.seedBlock = uint32(block.number + 1);",
        "stored.seedBlock = uint32(block.number);",
    ),
    Mutant("a seat taken after the seed counts", "Seats", " && seat.since < before", ""),
    Mutant("who is moved is in two places", "Seats", " || ghost.until < before", ""),
    Mutant("who is moved is out of the pending draws", "Seats", "_seatOf(ghost.provider) == 0 ?", "true ?"),
    Mutant(
        "a ghost is driven out",
        "Seats",
        "if (ghost.provider != address(0) && ghost.until + MEMORY >= block.number) return false;",
        "",
    ),
    Mutant("every call of a draw looks at the same seats", "Rounds", "job, stored.batches)),", "job, uint8(0))),"),
    Mutant("a dead seat costs nothing", "ProviderRegistry", "record.bond -= uint96(bounty);", ""),
    Mutant("one provider is drawn twice", "Shuffle", "self.place[i] = j;", "self.place[i] = i;"),
    Mutant("one bond answers for many lies", "ProviderRegistry", "record.locked = uint96(locked);", ""),
    Mutant(
        "a burst exceeds a provider's capacity",
        "ProviderRegistry",
        "if (inUse > record.capacity) return (false, 0);",
        "if (units > record.capacity) return (false, 0);",
    ),
    Mutant("a fee above the cap", "ProviderRegistry", "if (fee > feeCap) return (false, 0);", ""),
    Mutant(
        "the dead are drawn",
        "ProviderRegistry",
        "if (!_alive(record)) {",
        "if (false) {",
    ),
    # Disputes
    Mutant(
        "a draw goes on during a dispute",
        "Rounds",
        "        _checkRunning(job, stored);\n        _checkOpen",
        "        _checkOpen",
    ),
    Mutant("a dispute comes late", "Hearings", "if (block.timestamp > until) revert DeadlinePassed(job, until);", ""),
    Mutant(
        "anybody ends a dispute's suspension",
        "Hearings",
        "if (msg.sender != address(disputes)) revert NotDisputes(msg.sender);",
        "",
    ),
    Mutant("disputes with oneself are free", "Hearings", "_credit(executor, bond / 2);", "_credit(executor, bond);"),
    Mutant("who is convicted stays in the job", "Hearings", "stored.revealed &= uint16(~(1 << index));", ""),
    Mutant(
        "time for disputes begins anew",
        "Hearings",
        "return stored.state == State.COMPUTED ? stored.seats : 0;",
        "return stored.deadline;",
    ),
    Mutant(
        "silence does not lose",
        "dispute/Court",
        "executors ? Verdict.CONVICTED : Verdict.CLEARED",
        "executors ? Verdict.CLEARED : Verdict.CLEARED",
    ),
    Mutant(
        "an old state is brought again",
        "dispute/Court",
        "if (digestOf[dispute] != _digest(_position(state), state.claim)) revert WrongDispute(dispute);",
        "",
    ),
    Mutant(
        "another order's receipt is answered for",
        "dispute/ReceiptCourt",
        "if (order != state.order) revert WrongOrder();",
        "",
    ),
    Mutant(
        "totals end anywhere",
        "dispute/LinearGame",
        "if (_at(totals, totals.length / 8 - 1) != sum) revert WrongTotals();",
        "",
    ),
    Mutant("too few terms are enough", "dispute/LinearGame", "if (terms != output.terms) return false;", ""),
    # An agent spends what its mandate does not cover
    Mutant(
        "anyone acts under a mandate",
        "agents/Mandates",
        "if (msg.sender != mandate.agent) revert NotAgent(id, msg.sender);",
        "",
    ),
    Mutant("a revoked mandate is used", "agents/Mandates", "return revoked[mandate.payer][id] ||", "return"),
    Mutant("what was spent is forgotten", "agents/Mandates", "usage.spent = (usage.spent + amount).toUint128();", ""),
    Mutant("actions are not counted", "agents/Mandates", "usage.occurrences += 1;", ""),
    Mutant(
        "a mandate holds for ever",
        "agents/Mandates",
        "if (block.timestamp > mandate.notAfter) revert MandateExpired(id, mandate.notAfter);",
        "",
    ),
    Mutant(
        "an account obeys anyone",
        "agents/MandateAccount",
        "if (msg.sender != mandates) revert OnlyMandates(msg.sender);",
        "",
    ),
    # A payment buys something else, or twice
    Mutant(
        "an order is opened twice",
        "payments/PrepaidOrders",
        "if (known.job != 0 && !_failed(known.job)) revert OrderIsOpen(id, known.job);",
        "",
    ),
    Mutant(
        "an order lives for ever",
        "payments/PrepaidOrders",
        "if (block.timestamp > order.notAfter) revert OrderExpired(id, order.notAfter);",
        "",
    ),
    Mutant(
        "anyone sends the money back before the order is opened",
        "payments/PrepaidOrders",
        "if (may && msg.sender != order.payer) revert OrderMayOpen(id, msg.sender);",
        "",
    ),
    Mutant(
        "an unsigned transfer is carried out",
        "payments/TestUSDWithAuthorization",
        "revert ERC3009InvalidSignature();",
        "",
    ),
    Mutant(
        "anyone takes the money home early",
        "agents/Mandates",
        "if (msg.sender != mandate.payer && !over) revert NotPayer(id, msg.sender);",
        "",
    ),
)


def caught(mutant: Mutant, folder: Path) -> bool:
    """Whether some forge test fails with the mistake planted.

    Errors: ValueError when it cannot be planted, or the planted source does not compile.
    """
    for part in ("src", "test", "tools"):
        shutil.copytree(CONTRACTS / part, folder / part)
    shutil.copy(CONTRACTS / "foundry.toml", folder)
    (folder / "node_modules").symlink_to(CONTRACTS / "node_modules")
    source = folder / "src" / f"{mutant.source}.sol"
    text = source.read_text(encoding="utf-8")
    if text.count(mutant.right) != 1:
        raise ValueError(f"{mutant.name}: its place occurs {text.count(mutant.right)} times in {mutant.source}.sol")
    source.write_text(text.replace(mutant.right, mutant.wrong), encoding="utf-8")
    done = forge("test", "--fail-fast", root=folder, env=_QUICK)
    if done.returncode == 0:
        return False
    if "[FAIL" not in done.stdout:
        raise ValueError(f"{mutant.name}: forge did not get as far as testing it\n{done.stdout}{done.stderr}")
    return True


def main(names: list[str]) -> int:
    """Plant the named mutants, or all; the number that survived."""
    survived = 0
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    for mutant in chosen:
        with TemporaryDirectory() as folder:
            dead = caught(mutant, Path(folder))
        survived += not dead
        print(f"{'caught  ' if dead else 'SURVIVED'} {mutant.source}: {mutant.name}", flush=True)
    print(f"{len(chosen) - survived} of {len(chosen)} caught")
    return survived


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
