"""What a contract's refusal means, in words: for every custom error a sentence and what to do.

The words are templates over the error's arguments. An error without an entry is told by its name and arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.chain.contracts.abi import CustomError
from app.protocol.errors import Reverted
from app.protocol.market.entities import Approval, JobState

MESSAGES: Mapping[str, tuple[str, str]] = {
    # tokens
    "ERC20InsufficientBalance": (
        "The account holds {balance} token units and {needed} are needed.",
        "Get more tokens; on the embedded chain: darkroom account faucet.",
    ),
    "ERC20InsufficientAllowance": (
        "The contract may take {allowance} token units of the account and needs {needed}.",
        "Approve the amount first.",
    ),
    "ERC2612ExpiredSignature": ("The permit's deadline {deadline} has passed.", "Sign a new one."),
    "NoAllowance": (
        "The permit does not fit, and the contract may take {allowance} token units of the {needed} needed.",
        "Sign a new permit.",
    ),
    "FaucetCap": ("The faucet gives {cap} token units a call and {amount} were asked.", "Ask for less, more often."),
    "ERC721NonexistentToken": ("There is no dataset {tokenId}.", "List them: darkroom dataset list."),
    # datasets
    "NotDatasetOwner": ("Dataset {dataset} belongs to another account.", "Use the owner's account."),
    "DatasetTombstoned": ("Dataset {dataset} is closed: its key was destroyed.", "Publish a new epoch."),
    "DatasetClosed": ("Dataset {dataset} is closed: its key was destroyed.", "Choose another dataset."),
    "ZeroRows": ("A dataset needs at least one row.", "Publish a table with rows."),
    "AlreadyTombstoned": ("Epoch {epoch} of dataset {dataset} was closed before.", "Nothing is left to do."),
    # offers and licenses
    "NotSeller": ("Dataset {dataset} belongs to another account.", "Use the owner's account."),
    "NotParty": (
        "{caller} is neither the owner nor the custodian of dataset {dataset}.",
        "Use the account of one of them: darkroom dataset show.",
    ),
    "BadTerms": (
        "A price, a limit, the bits or the number of licenses is zero where it must not be, or too large.",
        "Correct the terms.",
    ),
    "BudgetExceeded": (
        "Dataset {dataset} has {left} micro-bits about each person left to sell, and the offer would take {asked}.",
        "Sell fewer licenses or more bits, close an offer, or settle licenses that are over: darkroom license settle.",
    ),
    "BudgetOnlyGrows": (
        "Dataset {dataset} sells {budget} micro-bits about each person; what buyers were shown cannot shrink.",
        "Name at least as many.",
    ),
    "BadShares": ("The offer's shares have no account, or do not add up to 10,000.", "Correct the shares."),
    "NoSuchOffer": ("There is no offer {offer}.", "List them: darkroom dataset show."),
    "OfferInactive": ("Offer {offer} is closed.", "Choose another: darkroom dataset show."),
    "SoldOut": ("Offer {offer} has no license left to sell.", "Choose another: darkroom dataset show."),
    "SellerSoldDataset": ("The seller of offer {offer} no longer owns the dataset.", "Choose another offer."),
    "NoSuchLicense": ("There is no license {license}.", "List yours: darkroom license list."),
    "NotLicenseHolder": ("License {license} belongs to another account.", "Buy one: darkroom license buy."),
    "LicenseIsRevoked": ("License {license} was revoked by the owner.", "Buy another: darkroom license buy."),
    "LicenseExpired": ("License {license} was valid until {validUntil}.", "Buy another: darkroom license buy."),
    "NoJobsLeft": ("License {license} has no jobs left.", "Buy another: darkroom license buy."),
    "NoRowsLeft": ("License {license} has {left} rows left and {asked} were asked.", "Ask for fewer rows."),
    "RowsOutsideDataset": ("Rows from {firstRow}, {rows} of them, are not all in dataset {dataset}.", "Ask for fewer."),
    "LicenseNotOver": (
        "License {license} can still open jobs.",
        "Wait until it is used up or expires, or revoke it: darkroom license revoke.",
    ),
    "JobsMayRun": ("A job under license {license} may run until {until}.", "Settle the license after that."),
    "AlreadySettled": ("License {license} was settled before.", "Nothing is left to do."),
    "MoreThanGuaranteed": (
        "License {license} guaranteed {guaranteed} micro-bits, and {used} are said to be used.",
        "State what its decisions add up to: darkroom audit.",
    ),
    # providers
    "NotBonded": (
        "{provider} is not a bonded provider, or its bond is below the floor.",
        "Bond, or add what is missing: darkroom provider bond.",
    ),
    "BondTooSmall": ("A bond of {bond} units is below the floor of {floor}.", "Bond more: darkroom provider bond."),
    "UnbondingUntil": ("The bond can be taken back from {time} on.", "Wait until then."),
    "BondLocked": ("{locked} units of the bond are held by running jobs.", "Wait for those jobs to end."),
    "NotEnoughProviders": (
        "Only {found} providers are free for this job and {needed} are needed.",
        "Wait for more providers, or open the job with fewer replicas or a higher fee.",
    ),
    # jobs
    "NewJobsPaused": ("New jobs are paused until {until}.", "Wait until then."),
    "NoSuchJob": ("There is no job {job}.", "List yours: darkroom job list."),
    "WrongState": ("Job {job} is {state} and does not allow this.", "Look at it: darkroom job show."),
    "DrawTooEarly": ("The executors of job {job} are drawn after block {seedBlock}.", "Wait for the next block."),
    "DeadlinePassed": ("The deadline {deadline} of job {job} has passed.", "Close it: darkroom job expire."),
    "DeadlineNotReached": ("Job {job} has time until {deadline}.", "Wait until then."),
    "NotAnExecutor": ("{caller} was not drawn for job {job}.", "Only drawn executors may answer."),
    "AlreadyCommitted": ("{provider} has committed to job {job} before.", "Reveal when the others have committed."),
    "RevealsNotOpen": ("Job {job} still waits for commitments.", "Reveal when every executor has committed."),
    "AlreadyRevealed": ("{provider} has revealed its receipt of job {job} before.", "Nothing is left to do."),
    "WrongReveal": ("Receipt and salt of {provider} are not what it committed to.", "Use those of the commitment."),
    "OrderOutdated": (
        "Dataset {dataset} is in version {version} now, and the order was made for another.",
        "Quote the job again: darkroom model quote.",
    ),
    "CustodianNotBonded": (
        "The custodian of dataset {dataset} has {free} token units free to answer for a job, and {needed} are needed.",
        "Ask for a smaller fee, or wait for a job to end; the owner adds to it by darkroom custodian bond.",
    ),
    "StaleHead": (
        "Another answer on dataset {dataset} came first: its answers now end in {head}.",
        "Let the ledger catch up with the chain, and decide again: darkroom custodian serve.",
    ),
    "ZeroProgram": ("A program's digest is not zero.", "Open the job without a program: it cannot be disputed then."),
    # disputes
    "JobSuspended": ("A dispute about job {job} is running.", "Wait until it is over: darkroom job show."),
    "NotDisputable": (
        "Executor {index} of job {job} has no receipt that could be disputed, or the job states no program.",
        "Look at it: darkroom job show.",
    ),
    "TooManyDisputes": ("Job {job} has as many disputes at a time as it can have.", "Wait until one is over."),
    "BondTooLarge": (
        "A dispute takes a bond of {bond} token units now, and at most {most} were allowed.",
        "Allow more.",
    ),
    "NotDisputes": ("{caller} is not the market's contract of disputes.", "Open a dispute there."),
    "WrongDispute": ("Dispute {dispute} is over, or has moved on.", "Read it again, and move from where it stands."),
    "WrongPhase": ("Dispute {dispute} waits for another move ({phase}).", "Read it again: darkroom job show."),
    "NotYourMove": ("{caller} is not to move in dispute {dispute}.", "Use the account of who is."),
    "MoveTooLate": ("The time for a move in dispute {dispute} ended at {deadline}.", "Nothing is left to do."),
    "MoveNotLate": ("Dispute {dispute} has time until {deadline}.", "Wait until then."),
    "BadGame": ("Disputes need a bond and a window for each move.", "Correct the market's terms."),
    "WrongOrder": ("This is not what the job was ordered as.", "Read job and dataset again."),
    "WrongReceipt": ("The receipt that was revealed has another digest.", "Show the very one that was revealed."),
    "WrongHeader": ("The output file does not begin as a result of this job does.", "Nothing can be shown of it."),
    "WrongTotals": ("The totals are too many, too few, or do not end where they must.", "Show those of the claim."),
    "WrongClaim": ("This is not what was claimed in the dispute.", "Read it again, and move from where it stands."),
    "WrongProof": ("A leaf does not stand where it was said to, under its root.", "Show the leaf of that word."),
    "NotFinite": ("A number in this step is infinite, or none.", "Nothing honest has one: judge an earlier word."),
    "NoSuchDigit": ("No gadget has such a digit.", "Derive the job's program again."),
    "NoSuchNode": ("No transform has such a node.", "Derive the job's program again."),
    "WrongRoots": (
        "The roots are too many or too few, or end as the other player's do.",
        "Show those over the stretch that is disputed.",
    ),
    "NoCid": ("A CID has digits and small letters alone.", "Show the receipt's own."),
    "AlreadyContested": ("Job {job} was contested before.", "Answer what the executors then agreed on."),
    "NotCustodian": ("{caller} is not the custodian of job {job}'s dataset.", "Use the custodian's account."),
    "NotOwner": ("The dataset of job {job} belongs to another account.", "Use the owner's account."),
    "AlreadyAnswered": ("The owner has answered job {job} before: it is {approval}.", "The word stands."),
    "DeniedByOwner": (
        "The owner denied job {job}, so that it cannot be released.",
        "Refuse it: the buyer is refunded.",
    ),
    # payments
    "NothingToWithdraw": ("Account {account} has nothing to withdraw.", "Wait until a job settles."),
    "NothingToCollect": ("Offer {offer} has earned nothing new.", "Wait until a license is sold or a job settles."),
    # mandates: `app.protocol.market.mandate` has the same limits before anything is sent
    "NotAgent": ("{caller} is not the agent of this mandate.", "Act with the key that the mandate names."),
    "NotPayer": ("{caller} is not the payer of this mandate, and it is not over.", "Ask the payer."),
    "BadMandate": (
        "A mandate names at most 32 datasets and 32 policies.",
        "Sign a smaller one: darkroom mandate sign.",
    ),
    "BadMandateSignature": (
        "This mandate is not signed by its payer {payer}, or its wallet does not stand by the signature any more.",
        "Ask the payer to sign it: darkroom mandate sign.",
    ),
    "MandateIsRevoked": ("The payer has revoked this mandate.", "Ask for another: darkroom mandate sign."),
    "MandateNotYetValid": ("This mandate is valid from {from} on.", "Wait until then."),
    "MandateExpired": ("This mandate was valid until {until}.", "Ask the payer for another: darkroom mandate sign."),
    "ActionNotGranted": ("This mandate does not grant this action.", "Ask for another: darkroom mandate sign."),
    "DatasetNotGranted": ("This mandate does not name dataset {dataset}.", "Choose one that it names."),
    "PolicyNotGranted": (
        "This mandate does not name the output policy {policy}.",
        "Choose an offer with one it names.",
    ),
    "SealingKeyNotGranted": ("This mandate has results sealed to another key.", "Order with the key that it names."),
    "NoOccurrencesLeft": (
        "This mandate's {occurrences} actions are used up.",
        "Ask for another: darkroom mandate sign.",
    ),
    "AmountAboveRange": ("This takes {amount} units, and one action may take {range}.", "Ask for fewer rows."),
    "BudgetSpent": (
        "This takes {amount} units, and {left} are left of the mandate's budget.",
        "See what was spent: darkroom mandate show.",
    ),
    "BalanceTooSmall": (
        "This takes {amount} units, and the mandate's account holds {balance}.",
        "Fund it: darkroom mandate fund.",
    ),
    "JobNotOver": ("Job {job} is {state}: its evaluator decides when it is over.", "Wait for it: darkroom job show."),
    # prepaid orders
    "OrderIsOpen": ("This order was opened before, as job {job}.", "Follow that job: nothing is paid twice."),
    "OrderExpired": ("This order could be opened until {until}.", "Ask for its price again, and pay that order."),
    "OrderUnpaid": (
        "This order takes {price} token units, and its account holds {held}.",
        "Pay the order's account by a transfer that was not used before.",
    ),
    "OrderMayOpen": ("This order may still be opened.", "Its payer may take the money back now, others later."),
    "ERC3009InvalidSignature": ("The transfer is not signed by its payer.", "Sign it with the payer's key."),
    "ERC3009InvalidAuthorizationTime": (
        "The signed transfer is valid between {validAfter} and {validBefore}.",
        "Ask for the price again, and sign another.",
    ),
    "ERC3009UsedAuthorization": ("The signed transfer was used or voided before.", "Sign another."),
    "NonceOnlyGrows": ("Mandates with a nonce below {nonce} are void already.", "Name a greater one."),
}


def reverted(error: CustomError | None, detail: str = "") -> Reverted:
    """The typed error for a decoded refusal; None stands for one that gave no reason we know."""
    if error is None:
        words = f"The contract refused without a known reason ({detail or 'no data'})."
        return Reverted(words, "Check that client and contracts are of the same version.", reason="")
    if error.name in ("Error", "Panic"):
        return Reverted(f"The contract refused: {error.args['message']}.", reason=error.name)
    message, next_step = MESSAGES.get(error.name, ("", ""))
    if not message:
        message = f"The contract refused: {error.name}({_listed(error.args)})."
    args = {name: NAMED[name](value) if name in NAMED else value for name, value in error.args.items()}
    return Reverted(message.format_map(_Words(args)), next_step, reason=error.name)


def _state_name(number: int) -> str:
    return JobState(number).name if 0 <= number < len(JobState) else str(number)


class _Words(dict[str, Any]):
    """An argument that an older contract does not give reads as a question mark, and is no second error."""

    def __missing__(self, key: str) -> str:
        return "?"


def _approval_name(number: int) -> str:
    return Approval(number).name.lower() if 0 <= number < len(Approval) else str(number)


NAMED = {"state": _state_name, "approval": _approval_name}


def _listed(args: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in args.items()).replace("{", "").replace("}", "")
