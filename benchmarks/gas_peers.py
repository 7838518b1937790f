"""What a paid compute job costs in gas in two other markets: data, measured once, outside of this repository.

Their published contracts, at the commits below, were compiled with the compiler versions and optimizer settings of
their own build files and with the library versions of their own lock files, deployed on a fresh anvil under Prague's
rules, and driven through a paid job three times over: Ocean's by a script of ours, iExec's by its own deployment script
and test helpers. Figures are (gas of the first job, gas of the third). None of their code is here; whoever doubts a
figure deploys the commit and sends the transactions listed, in their order.

Nobody withdrew between the jobs. Deposits, of which one can serve many jobs, are listed beside the job and not counted
in it, which favours these two: our `open` moves its job's money itself. Approvals and what is published once are beside
it too. The promises differ as well: read `differences` with the totals.
"""

from __future__ import annotations

from typing import Any

Gas = dict[str, tuple[int, int]]  # by transaction: the first job's, and the third's

OCEAN_JOB: Gas = {
    "buyFromFreAndOrder(dataset)": (311_820, 270_780),
    "buyFromFreAndOrder(algorithm)": (298_140, 270_780),
    "createLock": (241_937, 246_737),
    "claimLock": (197_420, 101_768),
}
OCEAN_BESIDE: Gas = {
    "approve(dataset)": (46_256, 29_156),
    "approve(algorithm)": (46_256, 29_156),
    "approve(escrow)": (46_256, 46_256),
    "deposit": (154_092, 55_224),
    "authorize": (143_529, 40_342),
    "reuseOrder(dataset)": (40_089, 40_089),
    "createNftWithErc20WithFixedRate": (1_488_665, 1_437_365),
}
IEXEC_JOB: Gas = {
    "matchOrders": (764_715, 769_491),
    "initialize": (222_337, 222_337),
    "contribute(first worker)": (306_392, 311_192),
    "contribute(second worker)": (359_654, 364_430),
    "reveal(first worker)": (93_455, 93_455),
    "reveal(second worker)": (56_455, 56_455),
    "finalize": (392_135, 272_435),
}
IEXEC_BESIDE: Gas = {
    "approveAndCall(requester)": (114_317, 83_854),
    "approveAndCall(scheduler)": (83_844, 70_164),
    "approveAndCall(first worker)": (83_844, 70_164),
    "approveAndCall(second worker)": (83_844, 70_164),
}


def _peer(job: Gas, beside: Gas, **facts: Any) -> dict[str, Any]:
    """A peer's figures with the sum of its job's."""
    sums = [sum(each[place] for each in job.values()) for place in (0, 1)]
    return {
        **facts,
        "job_total": {"first": sums[0], "in_use": sums[1]},
        "job": {name: {"first": first, "in_use": later} for name, (first, later) in job.items()},
        "beside": {name: {"first": first, "in_use": later} for name, (first, later) in beside.items()},
    }


PEERS: dict[str, dict[str, Any]] = {
    "ocean": _peer(
        OCEAN_JOB,
        OCEAN_BESIDE,
        comparable=True,
        differences=(
            "One executor, whom the buyer chooses; no draw, no commitment, no second opinion, no bond. The job counts"
            " the orders of dataset and algorithm, of which ours has the license apart: an order that is still valid"
            " needs no second one, and a job then is createLock and claimLock."
        ),
        repository="https://github.com/oceanprotocol/contracts",
        commit="1c779f9086d296c2c295a5b4e7c05767ba409e59",
        compilers=["solc 0.8.12, optimizer 200 runs"],
        evm="anvil 1.7.1, prague",
        measured="2026-11-20",
        executors=1,
    ),
    "iexec": _peer(
        IEXEC_JOB,
        IEXEC_BESIDE,
        comparable=True,
        differences=(
            "Two workers of one pool, whom its scheduler lets in by signature; commitment and reveal as here."
            " matchOrders also buys application, dataset and pool from signed orders, of which ours has the license"
            " apart, and can buy many tasks at once, which then share its cost."
        ),
        repository="https://github.com/iExecBlockchainComputing/PoCo",
        commit="fd0c823e03f2fb359420bf0fc9bf18039b7d100d",
        compilers=["solc 0.8.21 by IR", "solc 0.6.12", "solc 0.4.24, optimizer 200 runs each"],
        evm="anvil 1.7.1, prague",
        measured="2026-11-20",
        executors=2,
    ),
}
