"""The parts of py-evm that the embedded chain is made of, imported without their side effect on the interpreter."""

from __future__ import annotations

from app.chain.recursion_limit import limit_kept

with limit_kept():
    from eth._utils.address import generate_contract_address
    from eth.abc import BlockAPI, BlockHeaderAPI, ComputationAPI, ReceiptAPI, SignedTransactionAPI
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
    "generate_contract_address",
]
