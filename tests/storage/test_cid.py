"""Content identifiers have one spelling, and documents' digests and CIDs are two forms of one fact."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.errors import BadDocument
from app.protocol.ids import Digest
from app.storage.cid import DAG_PB, RAW, Cid, cid_to_digest, digest_to_cid, of_block, parse

HELLO = "bafkreicouv3sksjuzxb3rbb6rziy6duakk2aikegsmtqtz5rsuppjorxsa"  # "hello IPFS\n", from the Kubo README


def test_the_readme_vector() -> None:
    """The raw block of Kubo's README has the CID printed there."""
    assert of_block(RAW, b"hello IPFS\n").text == HELLO
    assert cid_to_digest(HELLO) == hashlib.sha256(b"hello IPFS\n").hexdigest()


@given(st.binary(min_size=32, max_size=32), st.sampled_from([RAW, DAG_PB]))
def test_text_and_binary_agree(digest: bytes, codec: int) -> None:
    """Every identifier is read back from its text as it was."""
    cid = Cid(codec, digest)
    assert parse(cid.text) == cid
    assert len(cid.text) == 59
    assert len(cid.binary) == 36


@given(st.binary(min_size=32, max_size=32))
def test_a_digest_and_its_cid_are_one_fact(digest: bytes) -> None:
    """A document's digest gives its raw CID, and the CID gives the digest back."""
    assert cid_to_digest(digest_to_cid(Digest(digest.hex()))) == digest.hex()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        HELLO[:-1],
        HELLO + "a",
        HELLO.upper(),
        "B" + HELLO[1:],
        "z" + HELLO[1:],
        HELLO[:-1] + "b",  # the two spare bits of the last letter set: another spelling of the same bytes
        HELLO[:-1] + "1",
        HELLO[:10] + " " + HELLO[11:],
        HELLO[:10] + "é" + HELLO[11:],
        "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn",  # version 0
        Cid(0x71, bytes(32)).text,  # dag-cbor
        "bafkreic" + "=" * 51,
    ],
)
def test_every_other_spelling_is_refused(text: str) -> None:
    """Only the canonical text of a raw or dag-pb CIDv1 with SHA-256 is an identifier."""
    with pytest.raises(BadDocument, match="content identifier"):
        parse(text)


@pytest.mark.parametrize("digest", ["", "00", "0" * 63, "0" * 65, "G" * 64, "A" * 64, " " + "0" * 62 + " "])
def test_a_malformed_digest_is_refused(digest: str) -> None:
    """A digest is 64 lower-case hexadecimal digits and nothing else."""
    with pytest.raises(BadDocument, match="64 lower-case"):
        digest_to_cid(Digest(digest))


def test_a_long_file_has_no_digest() -> None:
    """The CID of a file of several blocks names its top node, so no document's digest comes out of it."""
    with pytest.raises(BadDocument, match="several blocks"):
        cid_to_digest(Cid(DAG_PB, bytes(32)).text)
