"""Sealing: the RFC's vectors, what binds a result to its job, and what never opens."""

from __future__ import annotations

import numpy as np
import pytest
from Crypto.Hash import SHA256
from Crypto.Protocol import HPKE
from Crypto.Protocol.DH import import_x25519_private_key

from app.protocol.errors import BadDocument, BadKey, BadSeal, TooLarge, VerificationFailed
from app.protocol.market.receipt import SealedResult
from app.seal import hpke
from app.seal.result import Result, open_result, seal_result
from app.storage.content import file_cid
from tests.seal.rfc9180 import PRIVATE, PUBLIC, RFC, context, result

SMALL_ORDER = [  # RFC 7748, section 6.1: points whose shared secret is all zero
    "00" * 32,
    "01" + "00" * 31,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def test_official_vector_opens() -> None:
    """The first message of the RFC's vector for this suite opens to its plaintext."""
    first = RFC["encryptions"][0]
    plain = hpke.unseal(
        PRIVATE,
        bytes.fromhex(RFC["enc"]),
        bytes.fromhex(first["ct"]),
        info=bytes.fromhex(RFC["info"]),
        aad=bytes.fromhex(first["aad"]),
    )
    assert plain.hex() == first["pt"]


def test_key_schedule_equals_official_vector() -> None:
    """Encapsulation with the vector's ephemeral key gives its secrets, and later messages open in order."""
    ephemeral = import_x25519_private_key(bytes.fromhex(RFC["skEm"]))
    shared, enc = HPKE.HPKE_Cipher._encap(hpke.public_key(PUBLIC), 0x20, SHA256, eph_key=ephemeral)
    assert (shared.hex(), enc.hex()) == (RFC["shared_secret"], RFC["enc"])
    cipher = HPKE.new(
        receiver_key=hpke.private_key(PRIVATE), aead_id=HPKE.AEAD.AES256_GCM, enc=enc, info=bytes.fromhex(RFC["info"])
    )
    assert (cipher._key.hex(), cipher._base_nonce.hex()) == (RFC["key"], RFC["base_nonce"])
    for message in RFC["encryptions"]:
        assert cipher.unseal(bytes.fromhex(message["ct"]), bytes.fromhex(message["aad"])).hex() == message["pt"]


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_small_order_key_is_refused(point: str) -> None:
    """A public key that forces an all-zero shared secret is refused, as recipient and as encapsulated key."""
    with pytest.raises(BadKey):
        hpke.seal(bytes.fromhex(point), b"x", info=b"", aad=b"")
    with pytest.raises(BadSeal):
        hpke.unseal(PRIVATE, bytes.fromhex(point), bytes(40), info=b"", aad=b"")


def test_result_round_trip() -> None:
    """What was sealed for a job opens for that job to the same values, and two seals of it differ."""
    document, ciphertext = seal_result(context(), result(), file_cid)
    again, other = seal_result(context(), result(), file_cid)
    opened = open_result(SealedResult.from_bytes(document.to_bytes()), ciphertext, PRIVATE, context())
    assert opened.header == result().header
    assert np.array_equal(opened.values, result().values)
    assert document.ciphertext_cid == file_cid(ciphertext)
    assert (document.enc, ciphertext) != (again.enc, other)


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 1},
        {"market": "0x0000000000000000000000000000000000000001"},
        {"job": 8},
        {"license": 4},
        {"buyer": "0x0000000000000000000000000000000000000002"},
        {"manifest": "44" * 32},
        {"circuit": "44" * 32},
        {"receipt": "44" * 32},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_fact_of_the_job_binds(change: dict[str, object]) -> None:
    """A result does not open for another job, whether its document is honest about its job or was rewritten."""
    document, ciphertext = seal_result(context(), result(), file_cid)
    with pytest.raises(BadSeal):
        open_result(document, ciphertext, PRIVATE, context(**change))
    rewritten = document.model_copy(update={"context": context(**change)})
    with pytest.raises(BadSeal):
        open_result(rewritten, ciphertext, PRIVATE, context(**change))


def test_another_key_does_not_open() -> None:
    """Only the private key of the sealing key opens a result."""
    document, ciphertext = seal_result(context(), result(), file_cid)
    with pytest.raises(BadSeal):
        open_result(document, ciphertext, bytes.fromhex(RFC["skEm"]), context())


def test_every_flipped_byte_is_refused() -> None:
    """No byte of a sealed result, document or ciphertext, can change without being refused."""
    document, ciphertext = seal_result(context(), result(), file_cid)
    for position in range(len(ciphertext)):
        flipped = bytearray(ciphertext)
        flipped[position] ^= 1 << position % 8
        with pytest.raises(BadSeal):
            open_result(document, bytes(flipped), PRIVATE, context())
    data = document.to_bytes()
    for position in range(len(data)):
        broken = bytearray(data)
        broken[position] ^= 1 << position % 8
        with pytest.raises(VerificationFailed):
            _open(bytes(broken), {document.ciphertext_cid: ciphertext})


def _open(data: bytes, store: dict[str, bytes]) -> Result:
    document = SealedResult.from_bytes(data)
    if document.ciphertext_cid not in store:
        raise BadSeal("No store has another ciphertext that hashes to this CID.")
    return open_result(document, store[document.ciphertext_cid], PRIVATE, context())


def test_truncated_and_oversized_are_refused() -> None:
    """A ciphertext that lost bytes, or is beyond the stated size, is refused."""
    document, ciphertext = seal_result(context(), result(), file_cid)
    for length in (0, 1, 15, 16, len(ciphertext) - 1):
        with pytest.raises(BadSeal):
            open_result(document, ciphertext[:length], PRIVATE, context())
        with pytest.raises(BadSeal):
            hpke.unseal(PRIVATE, bytes.fromhex(document.enc), ciphertext[:length], info=b"", aad=b"")


def test_size_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A result of exactly the limit is sealed, one byte more is refused on both sides."""
    monkeypatch.setattr(hpke, "MAX_SEALED_BYTES", 100)
    enc, ciphertext = hpke.seal(PUBLIC, bytes(100), info=b"", aad=b"")
    assert hpke.unseal(PRIVATE, enc, ciphertext, info=b"", aad=b"") == bytes(100)
    with pytest.raises(TooLarge):
        hpke.seal(PUBLIC, bytes(101), info=b"", aad=b"")
    with pytest.raises(TooLarge):
        hpke.unseal(PRIVATE, enc, ciphertext + b"\0", info=b"", aad=b"")


def test_values_stay_out_of_representations() -> None:
    """Printing a result shows its shape, never its values."""
    assert "-5" not in repr(result())
    assert "shape=(2, 5)" in repr(result())


def test_length_is_the_same_for_all_values() -> None:
    """Two results of one shape have sealed results of one length, whatever their values."""
    zeros = Result(result().header, np.zeros((2, 5), np.int64))
    huge = Result(result().header, np.full((2, 5), -(2**62), np.int64))
    assert len(seal_result(context(), zeros, file_cid)[1]) == len(seal_result(context(), huge, file_cid)[1])


def test_row_keys_travel_behind_the_values() -> None:
    """They take the width that is said whatever they are, and come back; without them the bytes are what they were."""
    short, long = ([name.encode()] * 5 for name in ("k", "k" * 9))
    keyed = [result().with_keys(np.array(keys), 9) for keys in (short, long)]
    assert [len(each.to_bytes()) for each in keyed] == [len(keyed[0].to_bytes())] * 2
    assert len(keyed[0].to_bytes()) == len(result().to_bytes()) + len(b',"key_bytes":9') + 5 * 9
    again = Result.from_bytes(keyed[0].to_bytes())
    assert again.row_keys() == ["k"] * 5
    assert np.array_equal(again.values, result().values)
    assert "kkk" not in repr(keyed[1])
    assert result().row_keys() is None
    assert b"key_bytes" not in result().to_bytes()
    with pytest.raises(BadDocument, match="longer than 8"):
        result().with_keys(np.array(long), 8)
    with pytest.raises(BadDocument, match="not those that its header says"):
        result().with_keys(np.array(short[:4]), 9)


def test_bytes_that_are_no_row_keys_are_refused() -> None:
    """Keys that are cut short, empty, not UTF-8 or not padded with zeros alone; and those of an aggregate."""
    data = result().with_keys(np.array([b"key"] * 5), 4).to_bytes()
    for wrong in (data[:-1], data + b"x", data[:-4] + bytes(4), data[:-4] + b"\xff\0\0\0", data[:-4] + b"a\0b\0"):
        with pytest.raises(BadDocument):
            Result.from_bytes(wrong)
    summed = result().header.model_copy(update={"released": "aggregate"})
    with pytest.raises(BadDocument, match="aggregate"):
        Result(summed, result().values).with_keys(np.array([b"key"] * 5), 4)
