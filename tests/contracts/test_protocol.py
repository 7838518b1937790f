"""docs/protocol.md says what the contracts do: states, transitions, functions, events; none missing, none too many."""

from __future__ import annotations

import re
from pathlib import Path

import contracts
from app.protocol.market.entities import JobState

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
SOURCES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "contracts" / "src").rglob("*.sol")}

# The job market's own parts: what a call of it can reach.
PARTS = ("JobStore", "Wired", "Custody", "Settlement", "Rounds", "Contest", "Hearings", "JobMarket")

Transition = tuple[str, str, str]  # from, call, to


def table(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading."""
    section = PAGE.split(f"\n{heading}\n", 1)[1]
    lines = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert lines is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[0].splitlines()[2:]]


def solidity_states() -> list[str]:
    """The names of `IJobMarket.State`, in order."""
    body = re.search(r"enum State \{(.*?)\}", SOURCES["IJobMarket"], re.DOTALL)
    assert body is not None
    return re.findall(r"\w+", body[1])


def functions(source: str) -> dict[str, str]:
    """Each function's text in a Solidity source, by name."""
    heads = list(re.finditer(r"^    function (\w+)\(", source, re.MULTILINE))
    ends = [match.end() for match in re.finditer(r"^    \}$", source, re.MULTILINE)]
    return {head[1]: source[head.start() : min(end for end in ends if end > head.start())] for head in heads}


def reachable(name: str, bodies: dict[str, str]) -> str:
    """A function's text with the texts of all it calls in the same contract."""
    seen: set[str] = set()
    todo = [name]
    while todo:
        current = todo.pop()
        if current not in seen:
            seen.add(current)
            todo += [called for called in re.findall(r"(?<![.\w])(\w+)\(", bodies[current]) if called in bodies]
    return "\n".join(bodies[each] for each in sorted(seen))


def calls_that_enter() -> set[tuple[str, str]]:
    """(call, state) for every state that the code of a transaction can write."""
    bodies = {name: text for part in PARTS for name, text in functions(SOURCES[part]).items()}
    entered = set()
    for call in ("open", "draw", "commit", "decline", "reveal", "contest", "release", "refuse", "expire", "resume"):
        text = reachable(call, bodies)
        written = r"(?:_(?:enter|close)\(stored, |stored\.state = )State\.(\w+)"
        entered |= {(call, state) for state in re.findall(written, text)}
    return entered


def transitions() -> set[Transition]:
    """The rows of the page's transition table."""
    return {(row[0], row[1], row[2]) for row in table("### Transitions")}


def events_and_functions(name: str) -> tuple[set[str], set[str]]:
    """What a contract's ABI emits, and what of it changes state."""
    abi = contracts.load(name).abi
    events = {item["name"] for item in abi if item["type"] == "event"}
    acting = {
        item["name"]
        for item in abi
        if item["type"] == "function" and item["stateMutability"] in ("nonpayable", "payable")
    }
    return events, acting


def test_the_page_has_every_state_with_its_number() -> None:
    """States in the page, in Solidity and in Python are the same, number by number."""
    rows = {row[0]: int(row[1]) for row in table("### States")}
    assert rows == {name: number for number, name in enumerate(solidity_states())}
    assert rows == {state.name: int(state) for state in JobState}


def test_terminal_states_are_terminal_everywhere() -> None:
    """The states that the page calls terminal are Python's, and Solidity's from SETTLED on."""
    named = {row[0] for row in table("### States") if row[4] == "terminal"}
    assert named == {state.name for state in JobState if state.terminal}
    assert "return state >= State.SETTLED;" in SOURCES["JobStore"]
    assert named == set(solidity_states()[solidity_states().index("SETTLED") :])


def test_the_page_has_every_transition_of_the_code() -> None:
    """What the code can write, by call, is what the table says; a state is left only by calls that check for it."""
    stays = {("draw", "OPEN"), ("draw", "DISPUTED")} | {(call, "ASSIGNED") for call in ("commit", "decline", "reveal")}
    assert {(call, to) for _, call, to in transitions()} == calls_that_enter() | stays
    for source, call, to in transitions():
        assert source == to or (call, to) in calls_that_enter()


def test_every_state_can_be_entered_and_left() -> None:
    """No state but NONE and RELEASED is unreachable, and none but the terminal ones is a dead end."""
    entered = {to for _, _, to in transitions()}
    left = {source for source, _, to in transitions() if source != to}
    assert entered == {state.name for state in JobState} - {"NONE", "RELEASED"}
    assert left == {state.name for state in JobState if not state.terminal} - {"RELEASED"}


def test_a_state_with_a_deadline_can_expire() -> None:
    """Every state that waits for somebody has an `expire` out of it and says what the deadline is."""
    waiting = {row[0] for row in table("### States") if row[3] != "-"}
    assert waiting == {source for source, call, _ in transitions() if call == "expire"}
    assert waiting == {state.name for state in JobState if not state.terminal} - {"NONE", "RELEASED"}


def test_the_diagram_is_the_table() -> None:
    """The drawn edges are the transitions, no more and no fewer."""
    drawn = {(a, call, b) for a, b, call in re.findall(r"^    (\S+) --> (\S+): (\w+)$", PAGE, re.MULTILINE)}
    assert drawn == {("[*]" if source == "NONE" else source, call, to) for source, call, to in transitions()}
    ends = set(re.findall(r"^    (\w+) --> \[\*\]$", PAGE, re.MULTILINE))
    assert ends == {state.name for state in JobState if state.terminal}


def test_the_page_names_every_function_and_every_event() -> None:
    """Each function that changes anything stands in the table under its contract; each event somewhere on the page."""
    listed: dict[str, set[str]] = {}
    for contract, names, *_ in table("## Functions"):
        listed.setdefault(contract, set()).update(re.findall(r"\w+", names))
    told = set(re.findall(r"`(\w+)`", PAGE))
    for name in contracts.NAMES + contracts.BESIDE:
        events, acting = events_and_functions(name)
        assert listed[name] == acting
        assert events <= told, f"{name}: {events - told}"


def test_every_event_of_a_transition_exists() -> None:
    """The events that a transition promises are in the ABI of the contracts that take part in it."""
    known = set().union(*(events_and_functions(name)[0] for name in contracts.NAMES + contracts.BESIDE))
    assert set(re.findall(r"`(\w+)`", " ".join(row[6] for row in table("### Transitions")))) <= known
