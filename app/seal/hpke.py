"""HPKE (RFC 9180), one suite and one mode: base, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, one message.

The key schedule is pycryptodome's; this module fixes the suite, bounds the sizes, and turns every failure of opening
into one error that says nothing about its cause. A public key of small order (whose shared secret would be all zero)
is refused when it is imported. WebCrypto has every part of this suite, so a browser opens a sealed result by itself.
"""

from __future__ import annotations

from Crypto.Protocol import HPKE
from Crypto.Protocol.DH import import_x25519_private_key, import_x25519_public_key
from Crypto.PublicKey.ECC import EccKey

from app.protocol.errors import BadKey, BadSeal, TooLarge

KEY_BYTES = 32
TAG_BYTES = 16
MAX_SEALED_BYTES = 256 << 20  # bytes of plaintext in one seal; far below AES-GCM's own bound of 2^36 - 32
_SUITE = HPKE.AEAD.AES256_GCM


def public_key(raw: bytes) -> EccKey:
    """The X25519 public key of 32 bytes. Errors: `BadKey` for a wrong length or a point of small order."""
    try:
        return import_x25519_public_key(raw)
    except ValueError:
        raise BadKey("This is not a usable X25519 public key.", "Make one: darkroom keys sealing.") from None


def usable(key: str) -> bool:
    """Whether these hex digits are a public key that can be sealed to."""
    try:
        public_key(bytes.fromhex(key))
    except (BadKey, ValueError):
        return False
    return True


def private_key(raw: bytes) -> EccKey:
    """The X25519 private key of 32 bytes. Errors: `BadKey`."""
    if len(raw) != KEY_BYTES:
        raise BadKey(f"An X25519 private key has {KEY_BYTES} bytes.", "Restore the key file from a copy.")
    return import_x25519_private_key(raw)


def seal(recipient: bytes, plaintext: bytes, *, info: bytes, aad: bytes) -> tuple[bytes, bytes]:
    """(encapsulated key of 32 bytes, ciphertext with its tag) for the holder of `recipient`'s private key.

    Errors: `BadKey`, `TooLarge`.
    """
    if len(plaintext) > MAX_SEALED_BYTES:
        raise TooLarge(
            f"A result of {len(plaintext)} bytes is over the limit of {MAX_SEALED_BYTES}.", "Ask fewer rows."
        )
    cipher = HPKE.new(receiver_key=public_key(recipient), aead_id=_SUITE, info=info)
    return cipher.enc, cipher.seal(plaintext, aad)


def unseal(private: bytes, enc: bytes, ciphertext: bytes, *, info: bytes, aad: bytes) -> bytes:
    """The plaintext, returned only once it is authentic. Errors: `BadKey`, `BadSeal`, `TooLarge`."""
    if len(ciphertext) > MAX_SEALED_BYTES + TAG_BYTES:
        raise TooLarge(f"A sealed result of {len(ciphertext)} bytes is over the limit of {MAX_SEALED_BYTES}.")
    key = private_key(private)
    try:
        plain: bytes = HPKE.new(receiver_key=key, aead_id=_SUITE, enc=enc, info=info).unseal(ciphertext, aad)
    except ValueError:
        raise BadSeal(
            "This sealed result does not open with this key for this job.",
            "Check that it is your job and your key, and fetch the result again.",
        ) from None
    return plain
