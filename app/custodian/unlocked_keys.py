"""The owner's secret keys in a running custodian, and what keeps them there.

`harden` forbids core dumps and, on Linux, reading this process's memory by other processes of the same user. What
Python cannot promise: keys are NumPy arrays and bytes in ordinary memory, which the system may swap, and copies of them
(by NumPy, by the passphrase's `str`) are freed but not overwritten. Encrypt the swap, or turn it off, on a custodian.
"""

from __future__ import annotations

import ctypes
import resource
import sys
from collections.abc import Callable

from Crypto.Cipher import AES
from Crypto.Hash import SHA256
from Crypto.Protocol.KDF import HKDF
from Crypto.Random import get_random_bytes

from app.protocol.errors import BadKey
from fhe.keys.keyring import Keyring
from fhe.keys.secret_keys import SecretKeys

_PR_SET_DUMPABLE = 4
_NONCE, _TAG = 12, 16


class UnlockedKeys:
    """Keys of a keyring, opened when they are needed; the epoch in use is kept in memory."""

    def __init__(self, keyring: Keyring, passphrase: Callable[[], str]) -> None:
        """`passphrase` is asked once for each epoch that is opened."""
        self._keyring, self._passphrase = keyring, passphrase
        self._open: dict[int, SecretKeys] = {}

    def __repr__(self) -> str:
        return f"Vault(epochs={sorted(self.epochs())})"

    def epochs(self) -> frozenset[int]:
        """Epochs whose sealed keys are here."""
        return frozenset(self._keyring.epochs())

    def open(self, epoch: int) -> SecretKeys:
        """The keys of an epoch. Errors: NotFound (also once it was destroyed), WrongPassphrase, BadKey."""
        if epoch not in self.epochs():
            self._open.pop(epoch, None)
        if epoch not in self._open:
            self._open[epoch] = self._keyring.open(epoch, self._passphrase())
        return self._open[epoch]

    def forget(self) -> None:
        """Drop opened keys; the next use asks for the passphrase again."""
        self._open.clear()


def keep(secret: SecretKeys, query: str, answer: bytes) -> bytes:
    """An answer for the ledger, or row keys for the disk, sealed under a key that follows from the epoch's secret key
    and dies with it. `query` names it: under another name it does not open.
    """
    nonce = get_random_bytes(_NONCE)
    cipher = AES.new(_answer_key(secret), AES.MODE_GCM, nonce=nonce)
    cipher.update(query.encode())
    ciphertext, tag = cipher.encrypt_and_digest(answer)
    return nonce + ciphertext + tag


def recall(secret: SecretKeys, query: str, kept: bytes) -> bytes:
    """What `keep` sealed for this query. Errors: BadKey."""
    cipher = AES.new(_answer_key(secret), AES.MODE_GCM, nonce=kept[:_NONCE])
    cipher.update(query.encode())
    try:
        return cipher.decrypt_and_verify(kept[_NONCE:-_TAG], kept[-_TAG:])
    except ValueError:
        raise BadKey(
            "A kept answer, or a file of row keys, was altered or belongs to another key.", "Restore it from a copy."
        ) from None


def _answer_key(secret: SecretKeys) -> bytes:
    key = HKDF(secret.glwe.tobytes(), 32, b"darkroom/answers/1", SHA256, context=secret.profile.encode())
    assert isinstance(key, bytes)
    return key


def harden() -> None:
    """No core dumps of this process from now on, and on Linux no debugger of the same user either."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
