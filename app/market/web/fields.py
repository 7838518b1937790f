"""Field types that several routes take, with the examples that the OpenAPI document shows."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.chain.wallet.envelope import to_address
from app.client.place import OrderPlace
from app.market.queries.view import MAX_CURSOR, MAX_PAGE
from app.policy.preflight import MAX_REPLICAS, REPLICAS
from app.protocol import ids
from app.protocol.errors import DarkroomError
from app.storage.cid import TEXT_LENGTH

MAX_ID = (1 << 53) - 1


def _address(text: str) -> str:
    try:
        return to_address(text)
    except DarkroomError as error:
        raise ValueError(str(error)) from None


Id = Annotated[int, Field(ge=1, le=MAX_ID, examples=[1])]
Address = Annotated[
    ids.Address,
    StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$"),
    AfterValidator(_address),
    Field(description="EIP-55 text.", examples=["0xFf0000000000000000000000000000000000Ff00"]),
]
Digest = Annotated[
    ids.Digest,
    StringConstraints(pattern=r"^[0-9a-f]{64}$"),
    Field(description="SHA-256, hex.", examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]),
]
BlockNumber = Annotated[int, Field(ge=0, le=MAX_ID, examples=[1024])]
Tx = Annotated[ids.TxHash, StringConstraints(pattern=r"^0x[0-9a-f]{64}$"), Field(examples=["0x" + "5c" * 32])]
CidText = Annotated[
    ids.CidText,
    StringConstraints(pattern=rf"^b[a-z2-7]{{{TEXT_LENGTH - 1}}}$"),
    Field(
        description="CIDv1, SHA-256, raw or dag-pb.",
        examples=["bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"],
    ),
]
Units = Annotated[
    str,
    StringConstraints(pattern=r"^(0|[1-9][0-9]{0,38})$"),
    Field(description="Token units, decimal text: they can be above 2^53.", examples=["5000000"]),
]
Signature = Annotated[
    str,
    StringConstraints(pattern=r"^0x([0-9a-fA-F]{2}){1,2048}$"),
    Field(
        description="As wallets give it; longer than 65 bytes only for contract accounts.", examples=["0x" + "1b" * 65]
    ),
]

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Entries in a page.")]
After = Annotated[
    str | None, Query(max_length=MAX_CURSOR, description="The `next` of the page before; opaque.", examples=[None])
]


class RequestModel(BaseModel):
    """Base of request bodies: no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AskedPlace(RequestModel):
    """Of which rows something would be ordered, and under which terms."""

    offer: Annotated[int | None, Field(ge=1, le=MAX_ID, description="Under whose prices and policy.")] = None
    license: Annotated[int, Field(ge=0, le=MAX_ID, description="What it was told counts. 0: a new one.")] = 0
    rows: Annotated[int | None, Field(ge=1, le=MAX_ID, description="All of the dataset's by default.")] = None
    first_row: Annotated[int, Field(ge=0, le=MAX_ID)] = 0
    replicas: Annotated[int, Field(ge=1, le=MAX_REPLICAS, description="Executors that must agree.")] = REPLICAS

    @property
    def place(self) -> OrderPlace:
        """As whoever judges it takes it."""
        return OrderPlace(self.rows, self.first_row, self.replicas, self.license or None, self.offer)


class ResponseModel(BaseModel):
    """Base of answers that are not the index's own."""

    model_config = ConfigDict(frozen=True)
