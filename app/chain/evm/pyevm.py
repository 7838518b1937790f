"""The parts of py-evm that the embedded chain is made of, imported without their side effect on the interpreter."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from app.chain.recursion_limit import limit_kept

BLS = "eth.precompiles.bls12_381"


class _OnCall(ModuleType):
    """Stands in for the BLS12-381 precompiles (EIP-2537) until a contract calls one: their tables take 0.2 s of CPU,
    which every command would pay, and the market's contracts call none.
    """

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        if not name.startswith("bls12_"):
            raise AttributeError(name)

        def precompile(computation: Any) -> Any:
            return getattr(_bls(), name)(computation)

        return precompile


@cache
def _bls() -> ModuleType:
    sys.modules.pop(BLS)
    with limit_kept():
        return import_module(BLS)


if BLS not in sys.modules:
    sys.modules[BLS] = _OnCall(BLS)

with limit_kept():
    from eth._utils.address import generate_contract_address
    from eth.abc import BlockAPI, BlockHeaderAPI, ComputationAPI, ReceiptAPI, SignedTransactionAPI, WithdrawalAPI
    from eth.chains.base import MiningChain
    from eth.constants import BLANK_ROOT_HASH, POST_MERGE_DIFFICULTY, POST_MERGE_NONCE, ZERO_ADDRESS
    from eth.db.atomic import AtomicDB
    from eth.db.backends.base import BaseDB
    from eth.exceptions import CanonicalHeadNotFound, HeaderNotFound, Revert, TransactionNotFound
    from eth.vm.forks.prague import PragueVM
    from eth.vm.forks.shanghai.withdrawals import Withdrawal
    from eth.vm.spoof import SpoofTransaction

__all__ = [
    "BLANK_ROOT_HASH",
    "POST_MERGE_DIFFICULTY",
    "POST_MERGE_NONCE",
    "ZERO_ADDRESS",
    "AtomicDB",
    "BaseDB",
    "BlockAPI",
    "BlockHeaderAPI",
    "CanonicalHeadNotFound",
    "ComputationAPI",
    "HeaderNotFound",
    "MiningChain",
    "PragueVM",
    "ReceiptAPI",
    "Revert",
    "SignedTransactionAPI",
    "SpoofTransaction",
    "TransactionNotFound",
    "Withdrawal",
    "WithdrawalAPI",
    "generate_contract_address",
]
