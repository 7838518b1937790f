"""The frozen profiles agree with Concrete's optimizer, and nothing else passes for one."""

from __future__ import annotations

import pytest

from app.protocol.errors import BadDocument, BadKey
from fhe.keys.secret_keys import chosen, compile_program
from fhe.profile import EncryptionProfile
from fhe.profiles import ONE_LEVEL, PROFILES, REFERENCE, find, insecure_test_profile


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_concrete_still_chooses_the_profile(profile: EncryptionProfile) -> None:
    """Concrete's optimizer, asked anew at 2^-128, chooses exactly the frozen parameters."""
    found = chosen(compile_program(profile))
    assert found == profile.model_dump(include=set(found))
    assert profile.p_error_log2 == -128
    assert profile.security_bits == 128


def test_a_profile_that_concrete_does_not_choose_makes_no_keys() -> None:
    """A profile whose numbers differ from Concrete's choice is refused before any key is made."""
    other = REFERENCE.model_copy(update={"lwe_dimension": 700})
    with pytest.raises(BadKey, match="700"):
        compile_program(other)
    with pytest.raises(BadKey, match="no keys"):
        compile_program(insecure_test_profile())


def test_digests_are_frozen() -> None:
    """The reference profiles' digests are what published manifests name."""
    assert REFERENCE.digest == "d6500c8a98b12041a450ac26ca16f7e5db84375c84db280e02e1576be9929a74"
    assert ONE_LEVEL.digest == "aa82511ba8625e6dcee2922e08882b071d9b6e0b27b7a205a69fbfed9a6e9af9"
    assert (REFERENCE.bootstrap.levels, ONE_LEVEL.bootstrap.levels) == (2, 1)


def test_a_profile_is_found_by_its_digest() -> None:
    """Known digests give their profile; a test profile has to be handed over; anything else is refused."""
    assert find(ONE_LEVEL.digest) is ONE_LEVEL
    tiny = insecure_test_profile()
    with pytest.raises(BadDocument, match="digest"):
        find(tiny.digest)
    assert find(tiny.digest, extra=[tiny]) is tiny


def test_a_profile_survives_its_bytes() -> None:
    """A profile read from its canonical bytes is equal and has the same digest."""
    again = EncryptionProfile.from_bytes(REFERENCE.to_bytes())
    assert again == REFERENCE
    assert again.digest == REFERENCE.digest
