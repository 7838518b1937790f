"""A policy in sentences: what an owner reads before publishing, and a buyer before buying."""

from __future__ import annotations

import pytest

from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.market.receipt import RAW_WORDS, OutputPolicy
from ingestion.card import policy_in_words

CODEBOOK = Codebook(
    columns=tuple(
        ColumnCode(name=name, dtype="real", affine=Affine(low=0.0, step=1.0), declared=True) for name in "abc"
    )
)


@pytest.mark.parametrize("release", ["label", "score", "aggregate"])
@pytest.mark.parametrize("verify", ["self", "both"])
def test_policies_in_words(release: str, verify: str) -> None:
    """Each kind of policy has its sentences: what a license and all buyers are told of a person, and the noise."""
    policy = OutputPolicy.model_validate({"release": release, "verify": verify, "epsilon_micro_per_job": 500_000})
    words = "\n".join(policy_in_words(policy, CODEBOOK))
    assert "at most 1 linear forms" in words
    assert "at most 8 bits (yes-or-no facts) about a person, all buyers for ever 8" in words
    assert "0.5 epsilon a job" in words
    assert "custodian" in words


def test_raw_scores_are_named_with_what_they_give_away() -> None:
    """Under the owner's explicit words the card says how many scores give the columns away."""
    words = policy_in_words(OutputPolicy(release="score", raw_scores=RAW_WORDS), CODEBOOK)
    assert words[1] == "Raw scores: as many of them as there are columns (3) give the columns away."
    assert not any("Raw scores" in each for each in policy_in_words(OutputPolicy(release="score"), CODEBOOK))
