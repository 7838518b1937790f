"""A reader of Darkroom's formats, written from docs/formats.md alone, with the standard library and primitives."""

from __future__ import annotations

import base64
import hmac
import json
import struct
from hashlib import sha256
from typing import Any

from coincurve import PublicKey
from Crypto.Hash import keccak
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LEAF, FAN = 1 << 20, 1024


def number(value: float) -> str:
    """A double as ECMAScript writes it."""
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    mantissa, mark, exponent = repr(value).partition("e")
    return mantissa + (f"e{'-' if exponent[0] == '-' else '+'}{exponent.lstrip('+-0')}" if mark else "")


def canonical(value: Any) -> bytes:
    """RFC 8785."""
    match value:
        case bool() | None | str():
            return json.dumps(value, ensure_ascii=False).encode()
        case int() | float():
            return number(value).encode()
        case list() | tuple():
            return b"[" + b",".join(canonical(each) for each in value) + b"]"
    keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
    return b"{" + b",".join(canonical(key) + b":" + canonical(value[key]) for key in keys) + b"}"


def document(data: bytes) -> Any:
    """The value of a document's bytes; AssertionError for another spelling."""
    value = json.loads(data)
    assert canonical(value) == data
    return value


def words(text: str) -> list[int]:
    """An array of integers inside a document."""
    data = base64.b64decode(text, validate=True)
    return list(struct.unpack(f"<{len(data) // 8}q", data))


def cid(codec: int, block: bytes) -> str:
    """The name of a block."""
    binary = bytes((1, codec, 0x12, 0x20)) + sha256(block).digest()
    return "b" + base64.b32encode(binary).decode().rstrip("=").lower()


def varint(value: int) -> bytes:
    """An unsigned LEB128 number."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def file_cid(data: bytes) -> str:
    """The name of a file."""
    level = [(sha256(part).digest(), 0x55, len(part), len(part)) for part in pieces(data, LEAF)]
    block, codec = data, 0x55
    while len(level) > 1:
        above = []
        for start in range(0, len(level), FAN):
            children = level[start : start + FAN]
            links, inside = b"", b"\x08\x02\x18" + varint(sum(size for _, _, size, _ in children))
            for digest, kind, size, below in children:
                link = b"\x0a\x24" + bytes((1, kind, 0x12, 0x20)) + digest + b"\x12\x00\x18" + varint(below)
                links += b"\x12" + varint(len(link)) + link
                inside += b"\x20" + varint(size)
            block, codec = links + b"\x0a" + varint(len(inside)) + inside, 0x70
            sizes = sum(each[2] for each in children), len(block) + sum(each[3] for each in children)
            above.append((sha256(block).digest(), codec, *sizes))
        level = above
    return cid(codec, block)


def pieces(data: bytes, size: int) -> list[bytes]:
    """Parts of `size` bytes, the last one shorter; one empty part of no bytes."""
    return [data[start : start + size] for start in range(0, len(data), size)] or [b""]


def tree(leaves: list[bytes]) -> bytes:
    """The Merkle root over hashed leaves."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + tree(leaves[:half]) + tree(leaves[half:])).digest()


def file_root(data: bytes) -> str:
    """The Merkle root of a file."""
    return tree([sha256(b"\x00" + leaf).digest() for leaf in pieces(data, 128)]).hex()


def data_root(roots: list[str]) -> str:
    """The Merkle root of a table."""
    return tree([sha256(b"\x02" + bytes.fromhex(root)).digest() for root in roots]).hex()


def mask(seed: bytes, polynomial: int, size: int) -> list[int]:
    """Mask words of one polynomial of a seeded file."""
    first = size * polynomial // 2
    counters = b"".join(number.to_bytes(16, "little") for number in range(first, first + size // 2))
    cipher = Cipher(algorithms.AES128(seed), modes.ECB()).encryptor()  # noqa: S305 - a key stream of counters
    return list(struct.unpack(f"<{size}Q", cipher.update(counters)))


def keccak256(data: bytes) -> bytes:
    """Ethereum's hash."""
    return bytes(keccak.new(digest_bits=256, data=data).digest())


def abi(*values: int | str) -> bytes:
    """Numbers, and addresses or digests in hex, as words of 32 bytes."""
    found = [value if isinstance(value, int) else int(value.removeprefix("0x"), 16) for value in values]
    return b"".join(value.to_bytes(32, "big") for value in found)


def signer(digest: str, signature: str) -> str:
    """Who signed a digest by EIP-191: the address in lower case."""
    message = bytes.fromhex(digest)
    told = keccak256(b"\x19Ethereum Signed Message:\n" + str(len(message)).encode() + message)
    raw = bytes.fromhex(signature)
    key = PublicKey.from_signature_and_message(raw[:64] + bytes([raw[64] - 27]), told, hasher=None)
    return "0x" + keccak256(key.format(compressed=False)[1:])[12:].hex()


def expand(key: bytes, suite: bytes, label: str, context: bytes, length: int) -> bytes:
    """RFC 9180, LabeledExpand; one block is enough here."""
    info = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label.encode() + context
    return hmac.digest(key, info + b"\x01", "sha256")[:length]


def extract(salt: bytes, suite: bytes, label: str, key: bytes) -> bytes:
    """RFC 9180, LabeledExtract."""
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label.encode() + key, "sha256")


def unseal(private: bytes, enc: bytes, ciphertext: bytes, info: bytes, aad: bytes) -> bytes:
    """RFC 9180, OpenBase of the suite (0020, 0001, 0002)."""
    own = X25519PrivateKey.from_private_bytes(private)
    public = own.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    kem = b"KEM" + bytes((0x00, 0x20))
    shared = extract(b"", kem, "eae_prk", own.exchange(X25519PublicKey.from_public_bytes(enc)))
    secret = expand(shared, kem, "shared_secret", enc + public, 32)
    suite = b"HPKE" + bytes((0x00, 0x20, 0x00, 0x01, 0x00, 0x02))
    context = b"\x00" + extract(b"", suite, "psk_id_hash", b"") + extract(b"", suite, "info_hash", info)
    schedule = extract(secret, suite, "secret", b"")
    key, nonce = (expand(schedule, suite, *each) for each in (("key", context, 32), ("base_nonce", context, 12)))
    return AESGCM(key).decrypt(nonce, ciphertext, aad)


def result(data: bytes) -> tuple[Any, list[int]]:
    """A result's header and values."""
    length = int.from_bytes(data[:4], "little")
    header, body = document(data[4 : 4 + length]), data[4 + length :]
    values = list(struct.unpack(f"<{len(body) // 8}q", body))
    assert len(values) == header["rows"] * len(header["outputs"])
    return header, values


def linear_values(circuit: Any, inputs: list[int]) -> list[int]:
    """What a circuit of one linear layer gives for one row."""
    (layer,) = circuit["layers"]
    starts, columns, values, bias = (words(layer[name]) for name in ("indptr", "columns", "values", "bias"))
    found = []
    for row in range(layer["rows"]):
        terms = range(starts[row], starts[row + 1])
        found.append(sum(values[k] * inputs[columns[k]] for k in terms) + bias[row])
    return found
