"""Calls, events and refusals, held against web3.py's reading of the same ABI."""

from __future__ import annotations

from typing import Any, cast

import pytest
from eth_abi.abi import encode
from eth_typing import ABIElement
from eth_utils.abi import abi_to_signature
from hypothesis import given
from hypothesis import strategies as st
from web3 import Web3
from web3.exceptions import MismatchedABI

from app.chain.contracts.abi import Interface, decode_revert
from app.chain.contracts.messages import MESSAGES, reverted
from app.chain.evm.embedded import EmbeddedChain
from app.protocol.errors import BadInput, VerificationFailed
from contracts import BESIDE, NAMES, load
from tests.support.market import MarketOnChain, digest, person

INTERFACES = {name: Interface(load(name).abi) for name in NAMES + BESIDE}
ORACLES: dict[str, Any] = {name: Web3().eth.contract(abi=load(name).abi) for name in NAMES + BESIDE}
TRANSFER = INTERFACES["TestUSD"].topic("Transfer")


@pytest.mark.parametrize("name", NAMES + BESIDE)
def test_selectors_and_topics_are_those_of_eth_utils(name: str) -> None:
    """Every function, event and error of every contract is known under the selector or topic of the standard."""
    ours, entries = INTERFACES[name], cast("list[ABIElement]", list(load(name).abi))
    kinds: dict[str, set[bytes]] = {kind: set() for kind in ("function", "event", "error", "constructor")}
    for entry in entries:
        text = abi_to_signature(entry) if entry["type"] != "constructor" else ""
        kinds[entry["type"]].add(Web3.keccak(text=text) if entry["type"] == "event" else Web3.keccak(text=text)[:4])
    assert {signature.digest[:4] for signature in ours.functions.values()} == kinds["function"]
    assert set(ours.events) == kinds["event"]
    assert set(ours.errors) == kinds["error"]


def _words(values: tuple[int | str, ...]) -> tuple[int | bytes, ...]:
    return tuple(bytes.fromhex(each) if isinstance(each, str) else each for each in values)


def test_calls_are_encoded_as_web3_does() -> None:
    """Structs, arrays, addresses and words give the same call data."""
    who = person("somebody").address
    order = (1, digest("c"), 2, 3, digest("k"), 4, 5, 6, 7, digest("d"))
    assert INTERFACES["JobMarket"].encode_call("open", [order]).hex() == (
        ORACLES["JobMarket"].encode_abi("open", [_words(order)])
    ).removeprefix("0x")
    terms, shares = (1, 2, 3, 4, 5, 6, 7, digest("p"), 8, 9, 10), [(who, 4000), (who, 6000)]
    assert INTERFACES["LicenseMarket"].encode_call("createOffer", [terms, shares]).hex() == (
        ORACLES["LicenseMarket"].encode_abi("createOffer", [_words(terms), shares])
    ).removeprefix("0x")


def test_every_event_of_a_whole_job_is_read_as_web3_reads_it(
    embedded_stage: MarketOnChain, staged_chain: EmbeddedChain
) -> None:
    """Names and arguments agree, event by event, and no event of ours is left unread."""
    stage, market = embedded_stage, embedded_stage.market
    job = stage.compute()
    market.release(stage.owner, job, sealed=digest("sealed"), decision=digest("decision"))
    market.withdraw(stage.owner, [stage.offer])
    addresses = {address: name for name, address in market.addresses.items()}
    logs = staged_chain.logs(1, market.block_number, list(addresses))
    events = market.events(1, market.block_number)
    assert len(logs) == len(events) > 40
    for log, event in zip(logs, events, strict=True):
        assert (event.block, event.tx, event.contract) == (log.block, log.tx, addresses[log.address])
        assert event.args == _read_by_web3(event.contract, event.name, log)


def _read_by_web3(contract: str, event: str, log: Any) -> dict[str, Any]:
    entry = {
        "address": log.address,
        "topics": [Web3.to_bytes(topic) for topic in log.topics],
        "data": log.data,
        "blockNumber": log.block,
        "blockHash": bytes.fromhex(log.block_hash[2:]),
        "transactionHash": bytes.fromhex(log.tx[2:]),
        "transactionIndex": 0,
        "logIndex": log.index,
    }
    return {name: _plain(value) for name, value in ORACLES[contract].events[event]().process_log(entry)["args"].items()}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return tuple(_plain(each) for each in value)
    return {name: _plain(each) for name, each in value.items()} if hasattr(value, "items") else value


def test_an_event_that_contradicts_its_declaration_is_refused() -> None:
    """Too few topics or too little data raise VerificationFailed; foreign events are None."""
    usd, who = INTERFACES["TestUSD"], bytes(12) + b"\x11" * 20
    name, args = usd.decode_event([TRANSFER, who, who], (5).to_bytes(32, "big")) or ("", {})
    assert (name, args["value"]) == ("Transfer", 5)
    for topics, data in (([TRANSFER, who], bytes(32)), ([TRANSFER, who, who], b""), ([TRANSFER, b"", who], bytes(32))):
        with pytest.raises(VerificationFailed):
            usd.decode_event(topics, data)
    assert usd.decode_event([b"\x00" * 32], b"") is None
    assert usd.decode_event([], b"") is None


def test_an_answer_of_another_shape_is_refused() -> None:
    """Return data that is too short for its types raises VerificationFailed."""
    for data in (b"", bytes(31), bytes(64)):
        with pytest.raises(VerificationFailed):
            INTERFACES["JobMarket"].decode_result("get", [1], data)


def test_arguments_that_do_not_fit_are_bad_input() -> None:
    """Wrong count, wrong type, out of range: BadInput, as web3 refuses them too."""
    for function, args in (("draw", []), ("draw", [-1]), ("draw", ["x"]), ("draw", [2**256]), ("nothing", [])):
        with pytest.raises(BadInput):
            INTERFACES["JobMarket"].encode_call(function, args)
    with pytest.raises(MismatchedABI):
        ORACLES["JobMarket"].encode_abi("draw", [-1])


def test_refusals_of_every_kind_are_decoded() -> None:
    """Custom errors with their arguments, Error(string), Panic(uint256)."""
    every = list(INTERFACES.values())
    data = Web3.keccak(text="NotCustodian(uint256,address)")[:4] + encode(["uint256", "address"], [7, "0x" + "11" * 20])
    error = decode_revert(data, every)
    assert error
    assert (error.name, error.args) == ("NotCustodian", {"job": 7, "caller": "0x" + "11" * 20})
    text = decode_revert(Web3.keccak(text="Error(string)")[:4] + encode(["string"], ["no {way}"]), every)
    assert text
    assert reverted(text).message == "The contract refused: no {way}."
    panic = decode_revert(Web3.keccak(text="Panic(uint256)")[:4] + encode(["uint256"], [0x11]), every)
    assert panic
    assert reverted(panic).message == "The contract refused: overflow."


@given(st.binary(max_size=200))
def test_garbage_is_never_an_exception(data: bytes) -> None:
    """Any revert data, also cut short, becomes a Reverted with a sentence."""
    every = list(INTERFACES.values())
    for selector in (b"", *list(INTERFACES["JobMarket"].errors)[:3], Web3.keccak(text="Error(string)")[:4]):
        assert reverted(decode_revert(selector + data, every)).message


ERRORS = {s.name: s for interface in INTERFACES.values() for s in interface.errors.values()}


@pytest.mark.parametrize("name", MESSAGES)
def test_words_fit_their_error(name: str) -> None:
    """Each sentence belongs to an error that exists and names only arguments that it has."""
    values = {"uint8": 4, "address": "0x" + "11" * 20}
    error = ERRORS[name]
    args = {name: values.get(kind, 5) for name, kind in zip(error.inputs.names, error.inputs.kinds, strict=True)}
    message, next_step = MESSAGES[name]
    assert message.format_map(args).endswith(".")
    assert next_step.endswith(".")


def test_people_get_words_for_what_people_can_cause() -> None:
    """Only errors of programs, or of the token's inner workings, are left without a sentence of their own."""
    silent = {name for name in ERRORS if name not in MESSAGES and not name.startswith(("ERC", "SafeERC", "SafeCast"))}
    assert silent <= INTERNAL, f"no words for {sorted(silent - INTERNAL)}"


# What no call through the facade can bring about, or what is said well enough by name and arguments.
INTERNAL = {
    "AlreadyUnbonding",
    "BadOrder",
    "BadProviderTerms",
    "BadReplicas",
    "BadShares",
    "CloneArgumentsTooLong",
    "Create2EmptyBytecode",
    "FailedDeployment",
    "InsufficientBalance",
    "OnlyMandates",
    "OrderNamesLicense",
    "BadTerms",
    "ECDSAInvalidSignature",
    "ECDSAInvalidSignatureLength",
    "ECDSAInvalidSignatureS",
    "InvalidAccountNonce",
    "InvalidShortString",
    "NoSuchEpoch",
    "NotGuardian",
    "NotPaused",
    "NotUnbonding",
    "OnlyJobMarket",
    "PauseTooLong",
    "PauseTooSoon",
    "ReentrancyGuardReentrantCall",
    "RoyaltyAlreadySet",
    "RoyaltyTooHigh",
    "StillAlive",
    "StringTooLong",
    "StringsInsufficientHexLength",
    "TooManyRows",
    "TooManyShares",
    "UnknownCodec",
    "WiringWrong",
    "ZeroAddress",
    "ZeroCommitment",
    "ZeroDigest",
}
