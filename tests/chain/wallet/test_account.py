"""Accounts: sealed at rest, silent about their keys, readable by other wallets."""

from __future__ import annotations

import json
import pickle
import stat
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account as Keys
from eth_account.messages import encode_defunct

from app.chain.wallet.account import Account, digest_signer
from app.protocol.errors import BadInput, BadKey, NotFound, WrongPassphrase
from tests.support.market import digest

PASSPHRASE = "correct horse"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a key file goes."""
    return tmp_path / "keys" / "account.json"


@pytest.fixture
def account(path: Path) -> Account:
    """A new account in that file."""
    return Account.create(path, PASSPHRASE, light=True)


def test_a_key_file_opens_with_its_passphrase_alone(account: Account, path: Path) -> None:
    """The same account comes back; another passphrase is told apart from a damaged file."""
    assert Account.load(path, PASSPHRASE).address == account.address
    for wrong in ("correct hors", "", "Correct horse"):
        with pytest.raises(WrongPassphrase):
            Account.load(path, wrong)


def test_other_wallets_read_the_file(account: Account, path: Path, tmp_path: Path) -> None:
    """eth-account opens our file, and we open its."""
    key = Keys.decrypt(path.read_text("utf-8"), PASSPHRASE)
    assert Keys.from_key(key).address == account.address
    theirs = Keys.create()
    foreign = tmp_path / "foreign.json"
    foreign.write_text(json.dumps(Keys.encrypt(theirs.key, PASSPHRASE, iterations=2)))
    assert Account.load(foreign, PASSPHRASE).address == theirs.address


def test_only_its_owner_may_read_the_file(account: Account, path: Path) -> None:
    """The file has mode 600 and holds no key in the clear."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert bytes(account._signer.key).hex() not in path.read_text("utf-8")


def test_a_key_is_never_overwritten(account: Account, path: Path) -> None:
    """Creating an account where one is fails and leaves the first."""
    with pytest.raises(BadInput):
        Account.create(path, PASSPHRASE, light=True)
    assert Account.load(path, PASSPHRASE).address == account.address


def test_an_empty_passphrase_is_refused(path: Path) -> None:
    """No file is written for an empty passphrase."""
    with pytest.raises(BadInput):
        Account.create(path, "", light=True)
    assert not path.exists()


def test_a_key_is_not_shown(account: Account) -> None:
    """Neither repr nor pickle give the key away."""
    assert repr(account) == f"Account({account.address})"
    with pytest.raises(TypeError):
        pickle.dumps(account)


def _without(field: str) -> Any:
    def change(document: dict[str, Any]) -> str:
        del document["crypto"][field]
        return json.dumps(document)

    return change


def _with(value: Any, *path: str) -> Any:
    def change(document: dict[str, Any]) -> str:
        place = document
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value
        return json.dumps(document)

    return change


DAMAGE = {
    "empty": lambda document: "",
    "not JSON": lambda document: "{",
    "a list": lambda document: "[]",
    "null": lambda document: "null",
    "too long": lambda document: json.dumps(document) + " " * (16 << 10),
    "deep": lambda document: "[" * 5000,
    "no ciphertext": _without("ciphertext"),
    "no MAC": _without("mac"),
    "no parameters": _without("kdfparams"),
    "no cipher parameters": _without("cipherparams"),
    "other version": _with(7, "version"),
    "version of another type": _with([3], "version"),
    "other derivation": _with("pbkdf2", "crypto", "kdf"),
    "other cipher": _with("rot13", "crypto", "cipher"),
    "too much work": _with(1 << 24, "crypto", "kdfparams", "n"),
    "no work": _with(0, "crypto", "kdfparams", "n"),
    "odd work": _with(4095, "crypto", "kdfparams", "n"),
    "salt not hex": _with("zz", "crypto", "kdfparams", "salt"),
    "ciphertext not hex": _with("zz", "crypto", "ciphertext"),
    "MAC of another type": _with(5, "crypto", "mac"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_a_bad_key(account: Account, path: Path, damage: str) -> None:
    """Whatever is wrong with the file is BadKey, without a byte of it in the message."""
    text = path.read_text("utf-8")
    path.write_text(DAMAGE[damage](json.loads(text)))
    with pytest.raises(BadKey) as caught:
        Account.load(path, PASSPHRASE)
    assert json.loads(text)["crypto"]["ciphertext"] not in str(caught.value)
    assert account.address not in str(caught.value)


@pytest.mark.parametrize("field", ["ciphertext", "mac"])
def test_a_flipped_bit_never_gives_another_key(account: Account, path: Path, field: str) -> None:
    """The MAC covers the ciphertext: a changed digit is found before anything is decrypted."""
    document = json.loads(path.read_text("utf-8"))
    value = document["crypto"][field]
    document["crypto"][field] = ("1" if value[0] == "0" else "0") + value[1:]
    path.write_text(json.dumps(document))
    with pytest.raises(WrongPassphrase):
        Account.load(path, PASSPHRASE)
    assert account.address


def test_a_missing_file_is_not_found(path: Path) -> None:
    """No file, or a folder in its place."""
    for missing in (path, path.parent.parent):
        with pytest.raises(NotFound):
            Account.load(missing, PASSPHRASE)


def test_a_digest_is_signed_as_wallets_sign(account: Account) -> None:
    """The signature is EIP-191 over 32 bytes, and only the exact digest gives the signer back."""
    word = digest("decision")
    signature = account.sign_digest(word)
    theirs = Keys.recover_message(encode_defunct(hexstr=word), signature=bytes.fromhex(signature))
    assert theirs == digest_signer(word, signature) == account.address
    assert digest_signer(digest("another"), signature) != account.address


@pytest.mark.parametrize("signature", ["", "00", "zz" * 65, "00" * 65, "ff" * 65, "ab" * 66])
def test_what_is_no_signature_has_no_signer(signature: str) -> None:
    """Malformed signatures are answered with None, not with an exception."""
    assert digest_signer(digest("decision"), signature) is None


def test_text_is_signed_as_wallets_sign(account: Account) -> None:
    """Text signatures are those of a wallet's personal_sign."""
    signature = account.sign_text("I own this.")
    assert Keys.recover_message(encode_defunct(text="I own this."), signature="0x" + signature) == account.address
