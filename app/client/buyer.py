"""The buyer: licenses, jobs, results. Holds one account, one sealing key, and its own models; sees no data."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from app.client.dataset import Dataset
from app.client.models import Model, ModelStore
from app.client.ordered import AGAIN, KnownBy, Orderable, Orders, Runnable, purpose_of
from app.client.purse import MandatePurse, OwnPurse, Purse
from app.client.units import columns_in_units, half_widths, meaning
from app.client.verdict import verdict
from app.execution.inputs import seal_context
from app.home.home import Actor
from app.home.network import Network
from app.policy.preflight import REPLICAS, Preflight
from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.errors import BadSeal, NotAllowed, NotFound, NotYourLicense, TryAgain
from app.protocol.market.entities import ZERO, Job, JobState, LicenseState
from app.protocol.market.receipt import SealedResult
from app.seal.keys import SealingKey
from app.seal.result import Result, open_result
from app.storage.cid import digest_to_cid
from fhe.circuit.clear import evaluate_clear
from fhe.compile.levels import intervals

if TYPE_CHECKING:
    import polars as pl

    from app.chain.market import Sent
    from app.chain.wallet.account import Account
    from app.protocol.market.mandate import SignedMandate
    from fhe.compile import Compiled

MAX_RESULT_BYTES = 1 << 31
STORED_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class OpenedResult:
    """A result in the buyer's hands: released integers (outputs, rows) and what the model makes of them."""

    job: Job
    result: Result
    model: Model | None  # that it was ordered with
    known_by: KnownBy | None = None  # why it is this model

    def labels(self) -> npt.NDArray[Any]:
        """One prediction a row; of a model with cut points the level's number, from 0 (`intervals` says what it means).

        Predictions of rounded scores are those of the middles of their levels (`half_widths`).
        Errors: NotAllowed where only an aggregate was released, or the model is elsewhere.
        """
        header, values = self.result.header, self.result.values
        if self.model is None:
            raise NotAllowed(
                "The model of this job is not on this machine.", "Open the result where the model was compiled."
            )
        if header.released == "score":
            return self.model.decoder.predict(values)
        if header.released == "label" and self.model.decoder.tells_levels(self.model.circuit.readout):
            level: npt.NDArray[Any] = values[0]
            return level
        if header.released == "label" and self.model.decoder.labels is not None:
            chosen: npt.NDArray[Any] = self.model.decoder.labels.array()[values[0]]
            return chosen
        raise NotAllowed("An aggregate has no prediction for each row.", "Read its values.")

    def intervals(self) -> list[tuple[float | None, float | None]]:
        """[low, high) of each level of a model with cut points, in its own units; empty for other results."""
        if self.model is None or self.result.header.released != "label":
            return []
        readout, decoder = self.model.circuit.readout, self.model.decoder
        return intervals(readout.cuts, decoder) if decoder.tells_levels(readout) else []

    def half_widths(self) -> npt.NDArray[np.float64]:
        """How far each score (outputs,) may be from its rounded value: in units of the model's score before any link.

        In the circuit's integers where the model is elsewhere; zeros for what was not rounded.
        """
        return half_widths(self.result.header, 1.0 if self.model is None else self.model.decoder.scale)

    def meaning(self) -> dict[str, Any]:
        """How the columns of `to_polars` are to be read, in plain values; empty where the model is elsewhere."""
        return {} if self.model is None else meaning(self.result, self.model)

    def to_polars(self) -> pl.DataFrame:
        """A frame with the row number, its key where the owner sells keys (`row_key`), each released value, and what
        they say in the model's own units.

        Of a score: `prediction`; of a classifier also the probability of each class (of two classes, the second's),
        the score, its `margin` over the threshold or the next class and, where it was rounded, whether the prediction
        is `certain`. Of a label its class; of a model with cut points the level and its interval [from, to). Of an
        aggregate the mean score of a row.
        """
        import polars as pl

        header, values = self.result.header, self.result.values
        frame: dict[str, Any] = {"row": np.arange(header.first_row, header.first_row + header.rows)}
        if header.released == "aggregate":
            frame = {}
        if (keys := self.result.row_keys()) is not None:
            frame["row_key"] = keys
        units = {} if self.model is None else columns_in_units(self.result, self.model)
        if "level" not in units:
            frame |= {name: values[number] for number, name in enumerate(header.outputs)}
        return pl.DataFrame(frame | units).fill_nan(None)


class Buyer:
    """One buyer on one machine."""

    def __init__(
        self,
        network: Network,
        actor: Actor,
        account: Account,
        mandate: SignedMandate | None = None,
        *,
        sealing_key: SealingKey | None = None,
    ) -> None:
        """With a `mandate` the account is its agent: it buys and orders with the mandate's money, within its limits.
        `sealing_key`: what results are sealed to, in place of the key in the actor's folder.
        """
        self.network, self.actor, self.account, self.mandate = network, actor, account, mandate
        self.purse: Purse = (
            MandatePurse(network.market, account, mandate) if mandate else OwnPurse(network.market, account)
        )
        self._sealing_key = sealing_key
        self.models = ModelStore(actor.path("models"))
        self.orders = Orders(actor.path("orders"), network.market.chain_id, network.market.address)

    def sealing_key(self) -> SealingKey:
        """The key that results are sealed to, made when there is none yet. Errors: WrongPassphrase, UsageError."""
        if self._sealing_key is None:
            path, passphrase = self.actor.path("sealing.key"), self.actor.passphrase()
            self._sealing_key = (
                SealingKey.load(path, passphrase) if path.exists() else SealingKey.create(path, passphrase)
            )
        return self._sealing_key

    def rehearse(self, dataset: Dataset, compiled: Compiled | Model) -> npt.NDArray[Any]:
        """What the model would say of the dataset's synthetic preview: free, in the clear, on this machine.

        Errors: NotFound without a preview; MessageOverflow where the circuit leaves its range.
        """
        circuit = compiled.circuit
        return compiled.decoder.predict(evaluate_clear(circuit, dataset.inputs(circuit, dataset.preview())).T)

    def check(
        self,
        dataset: Dataset,
        model: Runnable,
        rows: int | None = None,
        *,
        first_row: int = 0,
        offer: int | None = None,
        license: int = 0,
        replicas: int = REPLICAS,
        sealing_key: SealingKey | None = None,
        max_fee: int | None = None,
    ) -> Preflight:
        """What a job would cost and be told, and every reason why it would not go through; nothing is sent or paid.

        Under a license that the buyer has, else under an offer of which one would be bought, else by the manifest's
        policy alone. Errors: those of `app.client.verdict.verdict`; what an order would be refused for is in it.
        """
        return verdict(
            dataset,
            model.circuit,
            rows,
            first_row=first_row,
            offer=offer,
            license=license,
            buyer=self.purse.address,
            mandate=self.purse.state(),
            replicas=replicas,
            sealing_key=None if sealing_key is None else sealing_key.public.hex(),
            max_fee=max_fee,
        )

    def buy_license(self, offer: int, *, anew: bool = False, purpose: str = "") -> Sent[int]:
        """Buy a license in one transaction; the value is its id.

        Where this machine bought one of the offer (or for a `purpose` of the caller's) before and it still allows jobs,
        that one is the answer and nothing is paid, unless `anew`. Errors: NotFound, Reverted, TransactionPending.
        """
        market = self.network.market
        purpose = purpose or purpose_of("license", market.address, offer)
        earlier = None if anew else self.purse.ordered_license(purpose)
        if earlier is not None and market.license(earlier.value).state(market.now()) is LicenseState.ACTIVE:
            return earlier
        return self.purse.buy_license(offer, purpose=purpose, again=anew or earlier is not None)

    def ordered(
        self,
        license: int,
        model: Orderable,
        *,
        first_row: int,
        rows: int,
        sealing_key: SealingKey,
        replicas: int = REPLICAS,
    ) -> Sent[int] | None:
        """The job that this machine opened by the same order before, waited for; None where it has to be opened.

        Errors: TransactionPending, Unavailable.
        """
        purpose = self.job_purpose(license, model, first_row=first_row, rows=rows, replicas=replicas)
        earlier = self.purse.ordered_job(purpose)
        if earlier is None or not self.stands(earlier, sealing_key):
            return None
        self.orders.note(earlier.value, model)
        return earlier

    def stands(self, sent: Sent[int], sealing_key: SealingKey) -> bool:
        """Whether a job that was ordered before answers the same order today: it is sealed to this key, and did not end
        without an answer and a refund.
        """
        job = self.network.market.job(sent.value)
        return job.state not in AGAIN and job.sealing_key == sealing_key.public.hex()

    def job_purpose(
        self, license: int, model: Orderable, *, first_row: int, rows: int, replicas: int = REPLICAS
    ) -> str:
        """What makes two orders of a job the same one: what `open_job` knows its own by."""
        market = self.network.market
        version = market.dataset(market.license(license).dataset).version
        return purpose_of("job", market.address, license, version, model.digest, first_row, rows, replicas)

    def open_job(
        self,
        license: int,
        model: Orderable,
        *,
        first_row: int,
        rows: int,
        sealing_key: SealingKey,
        replicas: int = REPLICAS,
        max_fee: int | None = None,
        anew: bool = False,
        purpose: str = "",
    ) -> Sent[int]:
        """Publish the circuit and open a job on rows [first_row, first_row + rows); the value is the job's id.

        The same order given before on this machine is answered with its job and nothing is paid, unless `anew`; also
        where its first answer was lost or its process killed. `purpose` is what the order is known by (`job_purpose`).
        Nothing is published or paid when the license does not allow it, or when the custodian would refuse the job by
        what is public. Errors: those of `order`; Reverted; TransactionPending for a job that may still open.
        """
        purpose = purpose or self.job_purpose(license, model, first_row=first_row, rows=rows, replicas=replicas)
        earlier = None if anew else self.purse.ordered_job(purpose)
        if earlier is not None and self.stands(earlier, sealing_key):
            self.orders.note(earlier.value, model)
            return earlier
        order = self.order(
            license, model, first_row=first_row, rows=rows, replicas=replicas, sealing_key=sealing_key, max_fee=max_fee
        )
        fee = order.price.max_fee if max_fee is None else max_fee
        assert fee is not None  # no problem was found, so there are providers who ask for something
        self.network.store.put(model.data)
        self.orders.prepare()
        sent = self.purse.open_job(
            license,
            circuit=model.circuit_digest,
            first_row=first_row,
            rows=rows,
            sealing_key=sealing_key.public.hex(),
            units=order.cost.units,
            replicas=replicas,
            max_fee=fee,
            version=order.version,
            content=order.content,
            program=order.program,
            purpose=purpose,
            again=anew or earlier is not None,
        )
        self.orders.note(sent.value, model)
        return sent

    def order(
        self,
        license: int,
        model: Runnable,
        *,
        first_row: int,
        rows: int,
        replicas: int = REPLICAS,
        sealing_key: SealingKey | None = None,
        max_fee: int | None = None,
    ) -> Preflight:
        """The same for an order that goes through. Nothing is sent or paid.

        Errors: what it would be refused for, as `app.policy.preflight` finds it: NotYourLicense, LicenseExpired,
        LicenseExhausted, LicenseRevoked, RowsOutsideDataset, BadModel, MessageOverflow, NoiseOverflow, TooLarge,
        BadKey, PolicyRefused with the reason's words, Unavailable without enough providers, Reverted with the
        contract's words.
        """
        dataset = Dataset.open(self.network, self.network.market.license(license).dataset)
        found = self.check(
            dataset,
            model,
            rows,
            first_row=first_row,
            license=license,
            replicas=replicas,
            sealing_key=sealing_key,
            max_fee=max_fee,
        )
        found.require()
        return found

    def open_result(
        self, number: int, key: SealingKey, *, model: Model | None = None, patience: float = 0.0
    ) -> OpenedResult:
        """Fetch, check and open the result of a job, with the model that it was ordered with here (or a named `model`).

        A custodian stores a result once its release is final: it is waited for so many seconds. Besides the chain it
        needs the sealed document and its ciphertext alone: no manifest and no circuit.
        Errors: TryAgain before the release, and before the result is stored; NotAllowed for a refused or failed job,
        with the reason; NotYourLicense; BadSeal; BadDocument; UsageError and BadModel where a model has to be named
        (`Orders.model_of`).
        """
        market, store = self.network.market, self.network.store
        job = market.job(number)
        if job.buyer != self.purse.address and not self._agent_of(job.buyer):
            raise NotYourLicense(f"Job {number} was opened by another account.", "List yours: darkroom job list.")
        if job.state in (JobState.REFUSED, JobState.EXPIRED, JobState.FAILED):
            why = f" ({job.reason})" if job.reason else ""
            raise NotAllowed(
                f"Job {number} ended as {job.state.name.lower()}{why}; it has no result.",
                "The refund can be withdrawn: darkroom account withdraw.",
            )
        if job.sealed == ZERO:
            raise TryAgain(f"Job {number} is {job.state.name.lower()}; its result is not out yet.", "Wait for it.")
        sealed = SealedResult.from_bytes(store.read(digest_to_cid(job.sealed), limit=MAX_DOCUMENT_BYTES))
        ciphertext = self._stored(number, sealed, patience)
        if job.sealing_key != key.public.hex():
            raise BadSeal(
                f"The result of job {number} is sealed to another key.", "Open it with the key it was ordered with."
            )
        manifest = market.dataset_version(job.dataset, job.version).manifest
        context = seal_context(market.chain_id, market.address, job, manifest)
        result = open_result(sealed, ciphertext, key.private, context)
        meant, known_by = self.orders.model_of(job, self.models, model) or (None, None)
        return OpenedResult(job, result, meant, known_by)

    def _stored(self, number: int, sealed: SealedResult, patience: float) -> bytes:
        """The ciphertext of a released result. Errors: TryAgain while no store has it."""
        end, pause = time.monotonic() + patience, STORED_POLL_SECONDS
        while True:
            try:
                return self.network.store.read(sealed.ciphertext_cid, limit=MAX_RESULT_BYTES)
            except NotFound:
                if (left := end - time.monotonic()) <= 0:
                    raise TryAgain(
                        f"The result of job {number} is released and not in the store yet.",
                        "Open it again in a moment: the custodian stores it once its release is final on the chain.",
                    ) from None
            time.sleep(min(pause, left))

    def _agent_of(self, buyer: str) -> bool:
        """Whether a buyer is the account of a mandate that this account acts under."""
        mandate = self.network.market.mandate_of(buyer)
        return mandate is not None and mandate.agent == self.account.address
