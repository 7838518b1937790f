"""The trace: every state has its name and its known root, each word follows from earlier words, and liars are found."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol.errors import BadInput
from fhe.arrays import U64
from fhe.engine.reference import ReferenceCore
from fhe.engine.trace.lookup import LookupTrace
from fhe.engine.trace.names import depth, parse, stages
from fhe.engine.trace.referee import Referee, bits, double, to_word
from fhe.engine.trace.search import departure, narrow
from fhe.engine.transform import to_words
from fhe.engine.vectors import key_of
from tests.vectors.trace.write import LARGE, SMALL, VECTORS, answers, case_of, names, trace_of

KNOWN = json.loads(VECTORS.read_text("utf-8"))
TINY = "small-two-levels"


@cache
def tiny(*, centred: bool) -> tuple[LookupTrace, Callable[[str], U64]]:
    """A small lookup's trace, and its states, each computed once."""
    trace = trace_of(case_of(TINY), centred=centred)
    return trace, cache(trace.state)


def test_known_roots() -> None:
    """The committed answers of small cases; those of the reference's polynomials among the deep tests."""
    told = answers(SMALL)
    assert told == {name: KNOWN[name] for name in told}
    assert len(KNOWN) == 2 * len(SMALL + LARGE)


@pytest.mark.deep
def test_known_roots_of_long_polynomials() -> None:
    """The same at N = 2048."""
    told = answers(LARGE)
    assert told == {name: KNOWN[name] for name in told}


@pytest.mark.parametrize("name", [*SMALL, *LARGE])
@pytest.mark.parametrize("centred", [False, True])
def test_a_trace_ends_where_the_engine_does(name: str, centred: bool) -> None:
    """Its last state is the bootstrap's output, and its keyswitch the engine's."""
    case = case_of(name)
    trace, core = trace_of(case, centred=centred), ReferenceCore(case.profile, key_of(case))
    small = core.keyswitch(trace.state("in")[None])
    assert np.array_equal(trace.state("small"), small[0])
    out = core.bootstrap(small, trace.state("test")[None], np.zeros(1, np.int64), centred=centred)
    assert np.array_equal(trace.state("out"), out[0])


@pytest.mark.parametrize("name", ["small-two-levels", "small-one-level"])
@pytest.mark.parametrize("centred", [False, True])
def test_every_word_follows_from_earlier_words(name: str, centred: bool) -> None:
    """The referee, by scalars and from the written definition, gives every word of every named state."""
    case = case_of(name)
    trace = trace_of(case, centred=centred)
    words = cache(lambda name: trace.state(name).tolist())
    referee = Referee(case.profile, words, centred)
    last = case.profile.lwe_dimension - 1
    found = [each for each in names(case) if not each.startswith(("in", "test", "keyswitch"))]
    found = [each for each in found if not each.startswith("key/") or "stage" in each]
    found += [f"step/{last}/stage/{number}" for number in range(stages(case.profile))]
    for each in found:
        assert [referee.word(each, index) for index in range(len(words(each)))] == words(each), each


@pytest.mark.parametrize(
    "name", ["step/9", "step/-1", "step/1/stage/99", "key/0/2/0/0", "key/0/0/2/0", "", "outs", "in/"]
)
def test_names_that_no_state_has(name: str) -> None:
    """A typed refusal, whatever is asked for."""
    trace, _ = tiny(centred=False)
    with pytest.raises(BadInput, match="has no state"):
        trace.state(name)


def test_states_may_be_asked_for_in_any_order() -> None:
    """A step behind the kept one begins anew, to the same words."""
    trace, states = tiny(centred=False)
    ahead = trace_of(case_of(TINY), centred=False)
    assert np.array_equal(ahead.state("step/7"), states("step/7"))
    assert np.array_equal(ahead.state("step/2"), states("step/2"))
    assert trace.profile.lwe_dimension == 8


class Liar:
    """A party whose step goes wrong in one word, and that computes on honestly from there."""

    def __init__(self, step: int, stage: int, index: int, flip: int) -> None:
        trace, self.true = tiny(centred=False)
        self.at, self.profile = (step, stage), trace.profile
        self._wrong = {f"step/{step}/stage/{stage}": (index, flip)}
        self.states = cache(self.state)

    def state(self, name: str) -> U64:
        """Words as it claims them: what does not come after the fault is true, what does follows from it."""
        parsed = parse(name, self.profile)
        place = {"step": (*parsed.numbers, -1), "stage": parsed.numbers}.get(parsed.kind, (10**6, 0))
        if parsed.kind not in ("step", "stage", "out") or place < self.at:
            return self.true(name)
        referee = Referee(self.profile, lambda each: self.states(each).tolist())
        words = np.array([referee.word(name, index) for index in range(len(self.true(name)))], np.uint64)
        if name in self._wrong:
            index, flip = self._wrong[name]
            words[index] ^= np.uint64(1 << flip)
        return words


def convicts(step: int, data: st.DataObject) -> None:
    """Wherever a liar's computation went wrong, the search ends at that very word, and the referee gives another."""
    trace, states = tiny(centred=False)
    stage = data.draw(st.integers(0, stages(trace.profile) - 1))
    index = data.draw(st.integers(0, len(states(f"step/{step}/stage/{stage}")) - 1))
    liar = Liar(step, stage, index, data.draw(st.integers(0, 40)))
    found = departure(liar.states, states, trace.profile)
    if found is None:  # a last bit that a rounding took away again
        return
    name, place = found
    claimed = int(liar.states(name)[place])
    judged = Referee(trace.profile, lambda each: liar.states(each).tolist()).word(name, place)
    assert (name, place) == (f"step/{step}/stage/{stage}", index)
    assert judged != claimed
    assert judged == int(states(name)[place])


@settings(max_examples=4)
@given(st.integers(5, 7), st.data())
def test_one_false_word_is_found_and_convicts(step: int, data: st.DataObject) -> None:
    """Near the end, where what follows from it is computed soon; everywhere among the deep tests."""
    convicts(step, data)


@pytest.mark.deep
@settings(max_examples=150)
@given(st.integers(0, 7), st.data())
def test_one_false_word_anywhere_is_found_and_convicts(step: int, data: st.DataObject) -> None:
    """In every step, stage and word."""
    convicts(step, data)


@settings(max_examples=30)
@given(st.sampled_from(["switch/3", "small", "lost", "turns", "step/0", "step/4", "step/8", "out"]), st.data())
def test_claims_that_contradict_themselves_convict(name: str, data: st.DataObject) -> None:
    """One state that fits nothing around it, whatever kind: the word that is judged is wrong, and no true one is."""
    trace, states = tiny(centred=True)
    index = data.draw(st.integers(0, len(states(name)) - 1))

    def claim(each: str) -> U64:
        words = states(each)
        if each == name:
            words = words.copy()
            words[index] ^= np.uint64(1 << data_bit)
        if each == "out" and name != "out":
            words = words + np.uint64(1)
        return words

    data_bit = data.draw(st.integers(0, 63))
    found = departure(claim, states, trace.profile)
    assert found is not None
    referee = Referee(trace.profile, lambda each: claim(each).tolist(), True)
    assert referee.word(*found) != int(claim(found[0])[found[1]])
    assert departure(states, states, trace.profile) is None


@given(st.integers(2, 800), st.data())
def test_a_stretch_is_narrowed_to_one_step(length: int, data: st.DataObject) -> None:
    """Whatever differs in between, it ends at an agreed state before a false one, in few looks."""
    wrong = data.draw(st.sets(st.integers(1, length - 1))) | {length - 1}
    looked: list[int] = []

    def differs(name: str) -> bool:
        looked.append(int(name))
        return int(name) in wrong

    place = narrow([str(number) for number in range(length)], differs)
    assert place not in wrong
    assert place + 1 in wrong
    assert len(looked) <= 64


def test_depth_of_transforms() -> None:
    """Thirteen states inside a step of the reference profiles, as the protocol counts them."""
    assert (depth(case_of("reference-2").profile), stages(case_of("reference-2").profile)) == (5, 13)


@given(st.floats(-1e6, 1e6))
def test_words_of_turns(turns: float) -> None:
    """Scalars and arrays round alike, halves and ends of the range included."""
    for value in (turns, 0.5, -0.5, 1.5, -0.0, 2.0**-65, 3 * 2.0**-65):
        assert to_word(value) == int(to_words(np.array([value]), np.array([0.0]))[0])
        assert double(bits(value)) == value
