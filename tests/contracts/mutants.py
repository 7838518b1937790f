"""Mistakes planted in the contracts, one at a time: each must make a forge test fail.

`python -m tests.contracts.mutants [NAME...]` plants them and tells which were caught. A mutant lives in a copy of the
sources, never in the checkout.
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
    # Money paid twice, to the wrong one, or to nobody
    Mutant("a job settles twice", "JobMarket", "stored = _inState(job, State.COMPUTED);", "stored = _jobs[job];"),
    Mutant(
        "the buyer gets the fee", "JobMarket", "_credit(execution.provider, amount);", "_credit(stored.buyer, amount);"
    ),
    Mutant("a refusal keeps the price", "JobMarket", "_refund(job, stored.buyer, stored.price);", ""),
    Mutant("unspent fees are stuck", "JobMarket", "_refund(job, stored.buyer, left);", ""),
    Mutant(
        "an expired job keeps the fees",
        "JobMarket",
        "_expired(job, stored, uint256(stored.price) + stored.maxFee);",
        "_expired(job, stored, stored.price);",
    ),
    Mutant(
        "a failed job keeps the stakes of the silent",
        "JobMarket",
        "uint256(stored.price) + stored.maxFee + pot);",
        "uint256(stored.price) + stored.maxFee);",
    ),
    Mutant("a stake is paid out twice", "JobMarket", "uint256 bonus = pot / stored.replicas;", "uint256 bonus = pot;"),
    Mutant(
        "the price is earned twice",
        "JobMarket",
        "_earn(stored.offer, stored.price);",
        "_earn(stored.offer, stored.price * 2);",
    ),
    Mutant("a claim is paid twice", "Payments", "claimable[msg.sender] = 0;", ""),
    Mutant("earnings are collected twice", "Payments", "account.distributed = account.received;", ""),
    Mutant("rounding loses a coin", "Payments", "i + 1 == shares.length ? left : ", ""),
    Mutant(
        "the penalty has no cap",
        "JobMarket",
        "Math.min(stored.price, _feesPaid(job, stored))",
        "_feesPaid(job, stored)",
    ),
    Mutant("a withdrawn bond stays on the books", "ProviderRegistry", "delete _records[msg.sender];", ""),
    # Deadlines
    Mutant(
        "the custodian may answer late",
        "JobMarket",
        "stored = _inState(job, State.COMPUTED);\n        _checkOpen(job, stored);",
        "stored = _inState(job, State.COMPUTED);",
    ),
    Mutant(
        "an executor may commit late",
        "JobMarket",
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
        "JobMarket",
        "stored.deadline = uint40(block.timestamp + revealWindow);",
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
        "JobMarket",
        "emit JobFailed(job);\n        licenses.restore(stored.license, stored.rows);",
        "emit JobFailed(job);",
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
    Mutant("anybody releases", "JobMarket", "if (custodian != msg.sender) revert NotCustodian(job, msg.sender);", ""),
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
    Mutant("the buyer executes", "JobMarket", "list[0] = stored.buyer;", ""),
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
        "JobMarket",
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
    Mutant("a digest is shown too early", "JobMarket", "if (!_allCommitted(stored)) revert RevealsNotOpen(job);", ""),
    Mutant("a commitment can be copied", "JobStore", "job, provider, receipt, salt));", "job, receipt, salt));"),
    Mutant("two of three agree", "JobMarket", "if (equal == stored.replicas) _computed", "if (equal >= 2) _computed"),
    Mutant(
        "a liar keeps the bond",
        "JobMarket",
        "if (!_has(stored.revealed, i) || execution.digest == receipt) continue;",
        "continue;",
    ),
    Mutant("the silent keep the bond", "JobMarket", "_slashSilent(job, stored);\n            _redraw", "_redraw"),
    Mutant(
        "reveals open although one declined",
        "JobMarket",
        "if (_missing(job, stored) > 0) return _redraw(job, stored);",
        "",
    ),
    Mutant("who declines stays bound", "JobMarket", "providers.unlock(msg.sender, _executions[job][index].fee);", ""),
    Mutant(
        "one declines after committing",
        "JobMarket",
        "if (_has(stored.committed, index)) revert AlreadyCommitted(job, msg.sender);\n        stored.out",
        "stored.out",
    ),
    Mutant("disputes without end", "JobMarket", "round >= MAX_ROUNDS || ", ""),
    Mutant(
        "the winners' stakes stay held",
        "JobMarket",
        "providers.unlock(execution.provider, execution.fee);\n            _credit",
        "_credit",
    ),
    # The draw
    Mutant(
        "the seed is known at the opening", "JobMarket", "seedBlock = block.number + 1;", "seedBlock = block.number;"
    ),
    Mutant("a seat taken after the seed counts", "ProviderRegistry", " || seat.since >= call.before", ""),
    Mutant("one provider is drawn twice", "Shuffle", "self.place[i] = j;", "self.place[i] = i;"),
    Mutant("one bond answers for many lies", "ProviderRegistry", "record.locked += uint96(stake);", ""),
    Mutant("a fee above the cap", "ProviderRegistry", "if (fee > feeCap) return (false, 0);", ""),
    Mutant(
        "the dead are drawn",
        "ProviderRegistry",
        "if (units > record.capacity || !_alive(record)) return (false, 0);",
        "if (units > record.capacity) return (false, 0);",
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
