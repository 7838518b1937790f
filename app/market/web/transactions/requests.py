"""What can be ordered from `preparing`, and what comes back: the bodies of /v1/transactions/..."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from app.market.queries.view import Amount
from app.market.web.fields import MAX_ID, Address, Digest, Id, RequestModel, ResponseModel, Units
from app.policy.preflight import MAX_REPLICAS

MAX_SHARES = 8  # LicenseMarket.MAX_SHARES
CENTURY = 100 * 365 * 86_400

Signature65 = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{130}$"), Field(examples=["0x" + "1b" * 65])]


class SignerRequest(RequestModel):
    """Who will sign."""

    account: Address


class Permit(RequestModel):
    """The signature of a permit that an earlier answer asked for."""

    deadline: Annotated[int, Field(ge=1, le=MAX_ID, examples=[1_800_000_000])]
    signature: Signature65


class Permitted(SignerRequest):
    """An order that pays."""

    permit: Annotated[Permit | None, Field(description="The signed permit, in the second call.")] = None
    approval: Annotated[
        bool, Field(description="Approve by a transaction instead of a permit: for contract accounts.")
    ] = False


class BuyLicense(Permitted):
    """Buy a license."""

    offer: Id


class OpenJob(Permitted):
    """Open a job. Publish the circuit first: POST /v1/circuits."""

    license: Id
    circuit: Digest
    first_row: Annotated[int, Field(ge=0, le=MAX_ID)] = 0
    rows: Id
    sealing_key: Annotated[Digest, Field(description="The buyer's X25519 public key.")]
    replicas: Annotated[int, Field(ge=1, le=MAX_REPLICAS)] = 2
    max_fee: Annotated[Units | None, Field(description="For all executors together; by default the market's.")] = None
    version: Annotated[
        int | None, Field(ge=1, lt=1 << 16, description="Of the dataset, as quoted; by default the present one.")
    ] = None
    content: Annotated[Digest | None, Field(description="What that version binds, as a quote gives it.")] = None


class Share(RequestModel):
    """One beneficiary of an offer."""

    account: Address
    basis_points: Annotated[int, Field(ge=1, le=10_000, examples=[10_000])]


class CreateOffer(SignerRequest):
    """Offer licenses. Publish the policy first: POST /v1/policies."""

    dataset: Id
    price_license: Units
    price_job: Units = "0"
    price_row: Units = "0"
    max_jobs: Annotated[int, Field(ge=1, lt=1 << 32, examples=[100])]
    max_rows: Id
    duration: Annotated[int, Field(ge=1, le=CENTURY, description="Seconds.", examples=[2_592_000])]
    policy: Digest
    licenses: Annotated[int, Field(ge=1, lt=1 << 32, description="Most that are sold.", examples=[7])]
    micro_bits: Annotated[
        int | None,
        Field(ge=1, lt=1 << 32, description="About each person, for each license; by default the policy's."),
    ] = None
    budget: Annotated[
        Units | None,
        Field(description="Micro-bits about each person over all offers and for good; by default the policy's limit."),
    ] = None
    beneficiaries: Annotated[tuple[Share, ...], Field(max_length=MAX_SHARES)] = ()


class OnOffer(SignerRequest):
    """About one offer."""

    offer: Id


class RevokeLicense(SignerRequest):
    """About one license."""

    license: Id


class OnMandate(SignerRequest):
    """About one mandate, by its EIP-712 digest."""

    mandate: Digest


class SettleLicense(SignerRequest):
    """Say what a license that is over was told of a person."""

    license: Id
    used_micro_bits: Annotated[int, Field(ge=0, lt=1 << 32, examples=[3_000_000])]


class BondCustodian(SignerRequest):
    """Put something down for a dataset's custodian."""

    dataset: Id
    amount: Units


class UnbondCustodian(SignerRequest):
    """Take back what no open job holds."""

    dataset: Id
    amount: Units


class OnJob(SignerRequest):
    """About one job."""

    job: Id


class Withdraw(SignerRequest):
    """Withdraw, after collecting these offers' earnings."""

    offers: Annotated[tuple[Id, ...], Field(max_length=20)] = ()


class Publish(SignerRequest):
    """Record a manifest that `darkroom dataset publish` has put into the store."""

    manifest: Digest
    dataset: Annotated[Id | None, Field(description="To replace its present version.")] = None
    custodian: Annotated[Address | None, Field(description="Of a new dataset; the account itself by default.")] = None


class Faucet(SignerRequest):
    """Mint test tokens."""

    amount: Units


class WalletRequest(ResponseModel):
    """A transaction as `eth_sendTransaction` takes it: quantities are 0x-prefixed hex."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)

    sender: Annotated[str, Field(alias="from")]
    to: str
    data: str
    value: str
    chainId: str  # noqa: N815 - the wire's names
    nonce: str
    gas: str | None
    maxFeePerGas: str  # noqa: N815
    maxPriorityFeePerGas: str  # noqa: N815
    type: str = "0x2"


class Transaction(ResponseModel):
    """One transaction to sign and send. `contract` and `function` say what it calls."""

    contract: str
    function: str
    gas: int | None  # None: it depends on the one before; estimate it when that is mined
    cost: Amount | None  # at most, in wei
    request: WalletRequest


class TypedPermit(ResponseModel):
    """Sign `typed_data` by eth_signTypedData_v4, then ask again with the signature and this deadline."""

    spender: str
    amount: Amount
    deadline: int
    typed_data: dict[str, Any]


class UnsignedTransaction(ResponseModel):
    """What will be signed. With a `permit` there is no transaction yet; otherwise send them in this order."""

    action: str
    account: str
    summary: tuple[str, ...]  # plain sentences for the person who signs
    permit: TypedPermit | None
    transactions: tuple[Transaction, ...]
