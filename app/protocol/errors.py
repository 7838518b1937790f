"""Every error Darkroom raises on purpose.

    DarkroomError                  exit 1   something failed
    +-- UsageError                 exit 2   the command's words are wrong
    +-- BadInput                   exit 1   a table, recipe, model or document that cannot be used as it is
    |   +-- BadTable               a data file that cannot be read, or has no usable column
    |   +-- BadRecipe              a recipe that contradicts itself or the table
    |   +-- OutOfRange             a value outside the codebook, NaN or infinite, where the policy is to reject
    |   +-- BadModel               a model that cannot become a circuit of this dataset
    |   +-- BadQuery               a question that cannot be asked of a dataset, with the nearest that can
    |   +-- MessageOverflow        a circuit whose values could leave the message space
    |   +-- NoiseOverflow          a circuit whose failure probability is above the profile's
    |   +-- TooLarge               a size beyond a stated limit
    +-- NotAllowed                 exit 3   the rules of the market or of an owner say no
    |   +-- LicenseExpired, LicenseExhausted, LicenseRevoked, NotYourLicense
    |   +-- RowsOutsideDataset     a job for rows the dataset does not have
    |   +-- PolicyRefused          the owner's output policy refuses this release
    |   +-- AlreadyReleased        a second release of one job
    |   +-- MandateRefused         the payer's mandate does not cover what its agent is about to do
    |   +-- Reverted               the contract refused the transaction, with its reason
    +-- VerificationFailed         exit 4   bytes, digests or signatures do not say what they should
    |   +-- BadDocument            not canonical, not of its schema, or not of its digest
    |   +-- BadBlock               a block whose bytes do not hash to its CID
    |   +-- BadKey                 a key file of the wrong kind, shape, epoch or content
    |   +-- WrongPassphrase        a sealed key that this passphrase does not open
    |   +-- BadSeal                a sealed result that does not open for this key and this job
    |   +-- BadReceipt             a receipt that contradicts re-execution or the chain
    +-- TryAgain                   exit 5   not there yet, or a part is out of reach: the same call may work later
        +-- NotFound               an object that no reachable store or chain has
        +-- Unavailable            a service that does not answer
        +-- TransactionPending     a transaction that was sent, is in no block yet, and may still come
        +-- GasPriceTooHigh        a chain that asks for more a unit of gas than the settings pay

A class is one stable `code` (its name in kebab case) and one exit code. The message is one sentence that says what is
wrong; `next_step` is one sentence that says what to do. Neither ever holds a secret.
"""

from __future__ import annotations

import re
from typing import ClassVar


class DarkroomError(Exception):
    """Something failed; the message says what, `next_step` what to do about it."""

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "darkroom-error"

    def __init_subclass__(cls) -> None:
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".rstrip()


class UsageError(DarkroomError):
    """The command's words are wrong."""

    exit_code = 2


class BadInput(DarkroomError):
    """A table, recipe, model or document that cannot be used as it is."""


class BadTable(BadInput):
    """A data file that cannot be read, or has no usable column."""


class BadRecipe(BadInput):
    """A recipe that contradicts itself or the table."""


class OutOfRange(BadInput):
    """A value outside the codebook, NaN or infinite, where the policy is to reject."""


class BadModel(BadInput):
    """A model that cannot become a circuit of this dataset."""


class BadQuery(BadInput):
    """A question that cannot be asked of a dataset; the next step is the nearest that can."""


class MessageOverflow(BadInput):
    """A circuit whose values could leave the message space."""


class NoiseOverflow(BadInput):
    """A circuit whose failure probability is above the profile's."""


class TooLarge(BadInput):
    """A size beyond a stated limit."""


class NotAllowed(DarkroomError):
    """The rules of the market or of an owner say no."""

    exit_code = 3


class LicenseExpired(NotAllowed):
    """The license's validity is over, or has not begun."""


class LicenseExhausted(NotAllowed):
    """The license has no jobs or rows left."""


class LicenseRevoked(NotAllowed):
    """The owner took the license back."""


class NotYourLicense(NotAllowed):
    """The license belongs to another account."""


class RowsOutsideDataset(NotAllowed):
    """A job for rows the dataset does not have."""


class PolicyRefused(NotAllowed):
    """The owner's output policy refuses this release."""


class AlreadyReleased(NotAllowed):
    """A second release of one job."""


class MandateRefused(NotAllowed):
    """The payer's mandate does not cover what its agent is about to do; `reason` says which limit keeps it."""

    def __init__(self, message: str, next_step: str = "", *, reason: str = "") -> None:
        super().__init__(message, next_step)
        self.reason = reason


class Reverted(NotAllowed):
    """The contract refused the transaction; `reason` is its custom error's name."""

    def __init__(self, message: str, next_step: str = "", *, reason: str = "") -> None:
        super().__init__(message, next_step)
        self.reason = reason


class VerificationFailed(DarkroomError):
    """Bytes, digests or signatures do not say what they should."""

    exit_code = 4


class BadDocument(VerificationFailed):
    """Not canonical, not of its schema, or not of its digest."""


class BadBlock(VerificationFailed):
    """A block whose bytes do not hash to its CID."""


class BadKey(VerificationFailed):
    """A key file of the wrong kind, shape, epoch or content."""


class WrongPassphrase(VerificationFailed):
    """A sealed key that this passphrase does not open."""


class BadSeal(VerificationFailed):
    """A sealed result that does not open for this key and this job."""


class BadReceipt(VerificationFailed):
    """A receipt that contradicts re-execution or the chain."""


class TryAgain(DarkroomError):
    """Not there yet, or a part is out of reach: the same call may work later."""

    exit_code = 5


class NotFound(TryAgain):
    """An object that no reachable store or chain has."""


class Unavailable(TryAgain):
    """A service that does not answer."""


class TransactionPending(TryAgain):
    """A transaction that was sent and is in no block yet: it is kept, and nobody should pay for it again."""


class GasPriceTooHigh(TryAgain):
    """The chain asks for more a unit of gas than the settings pay; nothing was sent."""
