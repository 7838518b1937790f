"""The kit's cases: five honest jobs, and one fault each in them, with what an auditor finds not to hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from app.auditor.conformance.kit import Verdict
from app.storage.cid import digest_to_cid
from tests.vectors.audits.forge import Args, Forgery
from tests.vectors.audits.forgeries import (
    OTHER,
    STRANGER,
    amended,
    bit,
    ciphertext,
    circuit,
    column,
    decided,
    denied,
    dropped,
    edited,
    evaluation_key,
    false_root,
    false_roots,
    in_table,
    lied,
    manifest_of,
    output,
    policy,
    promised,
    sealed,
    sent,
    spoilt,
    swapped,
    withheld,
    word,
)
from tests.vectors.audits.record import APPROVED, JUDGED, LINEAR, REFUSED, TREES, WAITING

SPOILT, WITHHELD = "other bytes under its name", "nobody has it"


@dataclass(frozen=True)
class Fault:
    """How a case is forged, and what is then not so."""

    fact: str
    words: str
    forge: Callable[[Forgery], object]
    job: int = LINEAR
    verdict: Verdict = "wrong"


def family(
    name: str, fact: str, words: str, each: dict[str, Args], forge: Callable[..., Callable[[Forgery], None]]
) -> dict[str, Fault]:
    """A fault for every field of a document."""
    return {f"{name} {field}": Fault(fact, f"{words} {field}", forge(**said)) for field, said in each.items()}


RECEIPTS: dict[str, Args] = {
    "chain": {"chain_id": 1},
    "market": {"market": STRANGER},
    "job": {"job": LINEAR + 1},
    "manifest": {"manifest": OTHER},
    "data root": {"data_root": OTHER},
    "circuit": {"circuit": OTHER},
    "profile": {"profile": OTHER},
    "evaluator": {"evaluator": "darkroom-canonical-1"},
    "first row": {"first_row": 10},
    "number of rows": {"rows": 39},
    "form": {"form": "lwe"},
    "output": {"output": digest_to_cid(OTHER)},
    "length of the output": {"output_bytes": 1},
    "output root": {"output_root": OTHER},
}
DECISIONS: dict[str, Args] = {
    "chain": {"chain_id": 1},
    "market": {"market": STRANGER},
    "job": {"job": LINEAR + 1},
    "receipt": {"receipt": OTHER},
    "policy": {"policy": OTHER},
}
CHARGES: dict[str, Args] = {
    "fewer bits": {"micro_bits": 999_999},
    "no rank": {"rank": 0},
    "another query": {"query": OTHER},
    "that the answer was given before": {"again": True, "micro_bits": 0, "rank": 0},
    "a score in the place of a label": {"released": "score"},
    "that executors agreed besides": {"verified_by": "both"},
}
CONTEXTS: dict[str, Args] = {
    "chain": {"chain_id": 1},
    "market": {"market": STRANGER},
    "job": {"job": LINEAR + 1},
    "license": {"license": 1},
    "buyer": {"buyer": STRANGER},
    "sealing key": {"sealing_key": OTHER},
    "manifest": {"manifest": OTHER},
    "circuit": {"circuit": OTHER},
    "receipt": {"receipt": OTHER},
}

HONEST: dict[str, tuple[int, Verdict, str]] = {
    "honest linear": (LINEAR, "confirmed", "a label of a line over four columns, released"),
    "honest trees": (TREES, "confirmed", "two lookups, bootstrapped, released"),
    "honest approved": (APPROVED, "confirmed", "released after its owner's yes"),
    "honest refused": (REFUSED, "confirmed", "refused by the policy, at no cost"),
    "honest judged": (JUDGED, "confirmed", "two lookups whose order states its program, on edition 3"),
    "honest waiting": (WAITING, "open", "computed and not decided yet"),
}

FAULTS: dict[str, Fault] = {
    "program of another circuit": Fault(
        "program", "the order states what no circuit has here", lambda f: f.state(JUDGED, OTHER), JUDGED
    ),
    "program that the contract does not keep": Fault(
        "program",
        "the contract holds executors to another order",
        lambda f: f.answer("JobMarket", "orderDigest", JUDGED, value=OTHER),
        JUDGED,
    ),
    "program of false roots": Fault(
        "program", "the manifest says roots that are not its key's, and the order goes by them", false_roots, JUDGED
    ),
    "commitment forged": Fault("commitment", "a commitment that no salt gives", edited("Committed", commitment=OTHER)),
    "commitment to another receipt": Fault("commitment", "the promise was of other bytes", promised(receipt=OTHER)),
    "commitment of another provider": Fault(
        "commitment", "a promise that somebody copied", promised(provider=STRANGER)
    ),
    "commitment of another job": Fault("commitment", "the promise was for another job", promised(job=LINEAR + 1)),
    "commitment on another chain": Fault("commitment", "the promise was for another chain", promised(chain_id=1)),
    "commitment on another market": Fault(
        "commitment", "the promise was for another market", promised(market=STRANGER)
    ),
    "commitment missing": Fault("commitment", "a reveal without a promise", dropped("Committed")),
    "commitment after its reveal": Fault(
        "commitment", "the promise came after what it promises", swapped("Committed", 0, "Revealed", 0)
    ),
    "commitment after the other's reveal": Fault(
        "commitment", "whoever promised had seen the other's receipt", swapped("Committed", 1, "Revealed", 0)
    ),
    "commitment after reveals opened": Fault(
        "commitment", "reveals opened before all had promised", swapped("Committed", 1, "RevealsOpen", 0)
    ),
    "reveal after the agreement": Fault(
        "commitment", "a receipt that came when all was agreed on", swapped("Revealed", 1, "JobComputed", 0)
    ),
    "reveal after the release": Fault(
        "commitment", "a receipt that came when the job was over", swapped("Revealed", 1, "JobReleased", 0)
    ),
    "reveal with another salt": Fault(
        "commitment", "the salt shown is not that of the promise", sent(lambda d: d[:-1] + "0")
    ),
    "reveal by another call": Fault("commitment", "the transaction calls something else", sent(lambda d: "0x12345678")),
    "reveal by whom nobody drew": Fault(
        "commitment",
        "an executor that was not drawn",
        edited("JobAssigned", providers=[STRANGER, STRANGER], fees=[1, 1]),
    ),
    "agreement of too few": Fault("agreement", "one of two receipts was never revealed", dropped("Revealed", 1)),
    "agreement on another receipt": Fault(
        "agreement",
        "nobody revealed what was agreed on",
        edited("JobComputed", receipt=OTHER),
    ),
    "agreement that the job does not hold": Fault(
        "agreement", "the job holds another receipt", amended("JobMarket", "get", LINEAR, receipt=OTHER)
    ),
    "release before the agreement": Fault(
        "agreement", "released when nothing was agreed on", swapped("JobComputed", 0, "JobReleased", 0)
    ),
    "license of another buyer": Fault(
        "license", "somebody else's license", amended("LicenseMarket", "licenseOf", 2, buyer=STRANGER)
    ),
    "license of another dataset": Fault(
        "license", "a license for another dataset", amended("LicenseMarket", "licenseOf", 2, dataset=2)
    ),
    "manifest spoilt": Fault("manifest", SPOILT, spoilt(manifest_of)),
    "manifest of another data root": Fault("manifest", "it contradicts its own files", in_table("data_root", OTHER)),
    "manifest of another epoch": Fault("manifest", "it says another epoch than the chain", in_table("epoch", 2)),
    "manifest of another profile": Fault(
        "manifest", "it says another profile than the chain", in_table("profile", OTHER)
    ),
    "circuit spoilt": Fault("circuit", SPOILT, spoilt(lambda f: f.receipt(LINEAR).circuit)),
    "circuit for another codebook": Fault("bounds", "made for another dataset's codes", circuit(None, codebook=OTHER)),
    "circuit for another profile": Fault("bounds", "made for another profile", circuit(None, profile=OTHER)),
    "circuit that overflows": Fault(
        "bounds",
        "its values leave their width",
        circuit(lambda layer: replace(layer, values=layer.values * np.int64(1 << 18))),
    ),
    "column spoilt": Fault("files", SPOILT, spoilt(column)),
    "column of another root": Fault("files", "the manifest's root is not that of the bytes", false_root),
    "evaluation key spoilt": Fault("result", SPOILT, spoilt(evaluation_key), TREES),
    "receipt spoilt": Fault("receipt", SPOILT, spoilt(lambda f: f.receipt(LINEAR).digest)),
    **family("receipt of another", "receipt", "it says another", RECEIPTS, lied),
    "output spoilt": Fault("receipt", SPOILT, spoilt(lambda f: f.receipt(LINEAR).output)),
    "output with a false bit": Fault("result", "the last bit of the last word", output(bit)),
    "output of lookups with a false bit": Fault("result", "the last bit of the last word", output(bit, TREES), TREES),
    "output with a false header": Fault("result", "another width in its header", output(lambda d: bit(d, 10))),
    "output cut short": Fault("result", "a word is missing", output(lambda d: d[:-8])),
    "output of zeros": Fault("result", "nothing was computed", output(lambda d: d[:24] + bytes(len(d) - 24))),
    "output in another order": Fault(
        "result", "rows changed places", output(lambda d: d[:24] + d[32:40] + d[24:32] + d[40:])
    ),
    "output of another job": Fault(
        "result", "a true result of another circuit", lambda f: f.output(LINEAR, f.read(f.receipt(WAITING).output))
    ),
    "policy spoilt": Fault("policy", SPOILT, spoilt(lambda f: policy(f, 3)), TREES),
    "decision spoilt": Fault("decision", SPOILT, spoilt(lambda f: f.decision(LINEAR))),
    "decision by a stranger": Fault("decision", "signed by another account", decided(signer="stranger")),
    "decision changed after signing": Fault(
        "decision", "the signature is of another text", decided(sign=False, rank=2)
    ),
    **family("decision of another", "decision", "it says another", DECISIONS, decided),
    "decision to refuse what was released": Fault(
        "decision",
        "it says refused, the chain says released",
        decided(outcome="refuse", reason="rank", released="", rank=0, micro_bits=0, query=""),
    ),
    "refusal for another reason": Fault(
        "decision", "it says another reason than the chain", decided(of=REFUSED, reason="rank"), REFUSED
    ),
    **family("decision that says", "charge", "it says", CHARGES, decided),
    "refusal that is charged": Fault("charge", "a refusal costs bits", decided(of=REFUSED, micro_bits=1), REFUSED),
    "decision outside the chain": Fault(
        "place",
        "the contract's head binds another one",
        lambda f: f.answer("JobMarket", "decisionHead", 1, value=OTHER),
    ),
    "decision of another job left out": Fault(
        "place", "the answers do not lead to the contract's head", dropped("JobReleased", job=TREES)
    ),
    "sealed result spoilt": Fault("sealed", SPOILT, spoilt(lambda f: f.sealed(LINEAR))),
    "sealed bytes spoilt": Fault("sealed", SPOILT, spoilt(ciphertext)),
    "sealed bytes of another length": Fault(
        "sealed", "the document says another length", lambda f: f.reseal_as(LINEAR, ciphertext_bytes=1)
    ),
    **family("sealed for another", "sealed", "its context says another", CONTEXTS, sealed),
    "release without a yes": Fault("word", "the policy asks the owner, who said nothing", word(0), APPROVED),
    "release before the yes": Fault(
        "word", "the owner's yes came afterwards", swapped("JobApproved", 0, "JobReleased", 0, APPROVED), APPROVED
    ),
    "release after a no": Fault("word", "the owner had denied it", denied, APPROVED),
    "yes without its event": Fault("word", "storage and events disagree", word(1), APPROVED),
    "circuit withheld": Fault("circuit", WITHHELD, withheld(lambda f: f.receipt(LINEAR).circuit), verdict="open"),
    "column withheld": Fault("files", WITHHELD, withheld(column), verdict="open"),
    "output withheld": Fault("receipt", WITHHELD, withheld(lambda f: f.receipt(LINEAR).output), verdict="open"),
    "decision withheld": Fault("decision", WITHHELD, withheld(lambda f: f.decision(LINEAR)), verdict="open"),
    "sealed bytes withheld": Fault("sealed", WITHHELD, withheld(ciphertext), verdict="open"),
    "reveal withheld": Fault(
        "commitment",
        "no node has the transaction",
        lambda f: f.transactions.pop(f.logs[f.events(LINEAR, "Revealed")[0]]["transactionHash"]),
        verdict="open",
    ),
}
