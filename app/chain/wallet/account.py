"""An account that signs on this machine: its key rests in a keystore v3 file and leaves it only into memory.

The file is the format that geth, Foundry and wallets read (scrypt, AES-128-CTR, Keccak MAC), so a role can bring or
take its key. The scrypt cost is 2^18 by default (about a second, 256 MiB); `light` uses 2^12, which is honest only for
accounts of the embedded chain, whose ether is worth nothing. Keys are never printed, logged or put into an error; only
`test_account` hands one out, for the demo wallet of such a chain.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.chain.node import Fees
from app.chain.recursion_limit import limit_kept
from app.protocol.errors import BadInput, BadKey, NotFound, WrongPassphrase
from app.protocol.ids import Address

if TYPE_CHECKING:
    from eth_account import Account as Keys
    from eth_account.messages import SignableMessage
    from eth_account.signers.local import LocalAccount

STANDARD_N = 1 << 18
LIGHT_N = 1 << 12
MAX_N = 1 << 20  # a foreign file may not ask for more work than this
MAX_FILE_BYTES = 16 << 10
TEST_ACCOUNT = "darkroom/demo-account"


class Account:
    """A private key in memory that signs transactions, permits and digests."""

    def __init__(self, signer: LocalAccount) -> None:
        self._signer = signer
        self.address = Address(signer.address)

    def __repr__(self) -> str:
        return f"Account({self.address})"

    def __reduce__(self) -> str:
        raise TypeError("An account's key is not pickled.")

    @classmethod
    def generate(cls) -> Account:
        """A new key in memory only, from the operating system's randomness."""
        return cls(_keys().from_key(os.urandom(32)))

    @classmethod
    def create(cls, path: Path, passphrase: str, *, light: bool = False) -> Account:
        """A new key, sealed in a new file that only its owner can read. Errors: BadInput when the file exists."""
        account = cls.generate()
        account.save(path, passphrase, light=light)
        return account

    def save(self, path: Path, passphrase: str, *, light: bool = False) -> None:
        """Seal the key in a new file. Errors: BadInput when it exists or the passphrase is empty."""
        from eth_keyfile.keyfile import create_keyfile_json

        if not passphrase:
            raise BadInput("An account's passphrase cannot be empty.", "Choose one.")
        work = LIGHT_N if light else STANDARD_N
        sealed = create_keyfile_json(bytes(self._signer.key), passphrase.encode(), kdf="scrypt", iterations=work)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise BadInput(
                f"There is already a key file {path}.", "Move it away; a key cannot be made again."
            ) from None
        with os.fdopen(file, "w") as out:
            json.dump(sealed, out, sort_keys=True)
            out.flush()
            os.fsync(out.fileno())

    @classmethod
    def load(cls, path: Path, passphrase: str) -> Account:
        """Open a key file. Errors: NotFound, BadKey, WrongPassphrase."""
        from eth_keyfile.keyfile import decode_keyfile_json

        document = _read(path)
        try:
            key = decode_keyfile_json(document, passphrase.encode())
        except ValueError as error:
            if "MAC mismatch" in str(error):
                raise WrongPassphrase(f"This passphrase does not open {path}.", "Try another.") from None
            raise BadKey(f"The key file {path} is not a keystore of version 3.", "Restore it from a copy.") from None
        except Exception as error:  # noqa: BLE001 - missing fields, wrong types, bad hex: the format has many ways to be wrong
            raise BadKey(
                f"The key file {path} is damaged ({type(error).__name__}).", "Restore it from a copy."
            ) from None
        return cls(_keys().from_key(key))

    def test_account(self, chain_id: int, label: str) -> bytes:
        """The account as a file of the pages' demo wallet, its key in the open: where money is worth nothing alone."""
        key = f"0x{bytes(self._signer.key).hex()}"
        note = "Test money only: the key lies here in the open. Whoever has this file can spend what the account has."
        said = {"kind": TEST_ACCOUNT, "chain_id": chain_id, "address": self.address, "key": key, "label": label}
        return (json.dumps(said | {"note": note}, indent=2) + "\n").encode()

    def derive(self, label: str) -> str:
        """32 bytes, hex, that nobody without the key can tell from chance: HMAC-SHA256 of the label under the key.

        The same on every machine that has the key. Labels begin with what the bytes are for; each use has its own.
        """
        return hmac.new(bytes(self._signer.key), b"darkroom:" + label.encode(), hashlib.sha256).hexdigest()

    def sign_transaction(
        self, *, chain_id: int, nonce: int, to: str | None, data: bytes, gas: int, fees: Fees, value: int = 0
    ) -> bytes:
        """A raw EIP-1559 transaction; without `to` it creates a contract."""
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": chain_id,
            "nonce": nonce,
            "gas": gas,
            "maxFeePerGas": fees.max_fee,
            "maxPriorityFeePerGas": fees.tip,
            "value": value,
            "data": data,
        }
        if to is not None:
            fields["to"] = to
        return bytes(self._signer.sign_transaction(fields).raw_transaction)

    def sign_typed(self, domain: dict[str, Any], types: dict[str, Any], message: dict[str, Any]) -> bytes:
        """An EIP-712 signature, 65 bytes r, s, v."""
        return bytes(self._signer.sign_typed_data(domain, types, message).signature)

    def sign_digest(self, digest: str) -> str:
        """An EIP-191 signature over the 32 bytes of a digest: 130 hex digits r, s, v."""
        return bytes(self._signer.sign_message(_signable(bytes.fromhex(digest))).signature).hex()

    def sign_text(self, text: str) -> str:
        """An EIP-191 signature over text, as wallets show it: 130 hex digits r, s, v."""
        return bytes(self._signer.sign_message(_signable(text.encode())).signature).hex()


def digest_signer(digest: str, signature: str) -> str | None:
    """The address whose key signed this digest with `sign_digest`; None when the signature is not one."""
    return _signer_of(bytes.fromhex(digest), signature)


def text_signer(text: str, signature: str) -> str | None:
    """The address whose key signed this text with `sign_text` or a wallet; None when the signature is not one."""
    return _signer_of(text.encode(), signature)


def raw_sender(raw: bytes) -> str:
    """The account that signed a raw transaction. Errors: ValueError."""
    try:
        return str(_keys().recover_transaction(raw))
    except Exception as error:  # RLP, curve, range and type errors have no common base
        raise ValueError("not a signed transaction") from error


def _signer_of(message: bytes, signature: str) -> str | None:
    try:
        return str(_keys().recover_message(_signable(message), signature=bytes.fromhex(signature.removeprefix("0x"))))
    except Exception:  # noqa: BLE001 - hex, length, range and curve errors have no common base; all mean "not a signature"
        return None


def _keys() -> type[Keys]:
    """eth-account, imported when it is needed: half a second that reading commands need not spend."""
    with limit_kept():
        from eth_account import Account as Keys
    return Keys


def _signable(message: bytes) -> SignableMessage:
    """EIP-191, version 0x45: what wallets call personal_sign."""
    with limit_kept():
        from eth_account.messages import encode_defunct
    return encode_defunct(primitive=message)


def _read(path: Path) -> dict[str, Any]:
    """A keystore's JSON with bounded size and bounded work."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError:
        raise NotFound(f"There is no key file {path} that this user can read.", "Create the account first.") from None
    try:
        document: Any = json.loads(data) if len(data) <= MAX_FILE_BYTES else None
        parameters = document["crypto"]["kdfparams"]
        work = int(parameters["n"]) * int(parameters["r"]) * int(parameters["p"])
        kinds = (document["crypto"]["kdf"], document["crypto"]["cipher"])  # eth-keyfile does not look at the cipher
    except (ValueError, RecursionError, KeyError, TypeError):
        raise BadKey(f"The key file {path} is not a scrypt keystore of version 3.", "Restore it from a copy.") from None
    if kinds != ("scrypt", "aes-128-ctr"):
        raise BadKey(f"The key file {path} is sealed in a way that no wallet of today uses.", "Export the key again.")
    if not 0 < work <= MAX_N * 8:
        raise BadKey(f"The key file {path} asks for more scrypt work than any wallet uses.", "Export the key again.")
    assert isinstance(document, dict)
    return document
