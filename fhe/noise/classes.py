"""Which noises of a circuit are the same, or may be, and the variance of its sums that follows.

Fresh noise. Every published value is a coefficient of a ciphertext of its own column, bit and chunk, so the noises of
different inputs are independent. An input that enters a row several times is one noise: its weights add first.

Lookups. A bootstrap removes its input's noise and gives that of its own: the errors of the bootstrap key weighted by
the digits of the blind rotation, which follow from the input's mask (keyswitch and modulus switch are functions of
it), its body and the table. From that:

- Equal words in, equal words out: lookups whose sources have equal forms, widths and biases and whose tables are equal
  words are *one ciphertext*, however often and in whatever layers a circuit states it. Its weights add with their sign.
- One mask, other bodies or tables: the same rotations of another test polynomial. Tables that differ by less than the
  gadget's last digit have the same digits, a table and its negative opposite ones, a shifted table and a bias the same
  accumulator: any correlation from -1 to 1 occurs. Such lookups are one *class*; in it standard deviations add.
  Sources that are multiples of one another are in one class too, since one mask decides the other.
- Other masks are independent and uniform in the bits that a keyswitch reads (a weight that shifts a mask out of its
  word makes a noise that is refused). Their digits are independent, with a mean of -1/2 beside a deviation of
  B / sqrt(12), and the rotations scatter even that: such noises are uncorrelated, and independent of fresh ones.

Masks are compared by what is known of them. Ciphertexts of one class may have equal or opposite masks, so a source
that reads two of them may be without any trace of that class, and a table that rounds to no digit, or a source without
a mask, gives no mask at all: a class is left out of the comparison when some source reads it so, and counts without
its weight when it has several ciphertexts. Sources that then compare as equal make their lookups one class. It is
repeated until nothing changes; where `PASSES` do not suffice (compiled models take two or three), all are one class.

Bins under the small key are fresh noises like any other: each ciphertext has words of the key stream to itself, and the
rounding of its body is of a uniform word. A sum that reads lookups too is keyswitched in that part; its form says both.

Of a circuit of digits all of this holds as it is: the switch is centred in every lookup, by the mask alone; a table
that is read by its top bits, or with the padding bit, is rotated like any other; and a value that has lost some of its
bits reads the lookups that took them away, each with its own noise and its weight.

Of a circuit that shares rotations, tables of one value are products of one accumulator: one class, whose members have
their own deviations (`fhe.engine.factors.noise_gains`). One table is another ciphertext where it is looked up alone.

A selection has the noise of its own rotation and packing, and of the entry that it takes: at most that of the noisiest
one, whose own terms count as if they were one noise. As that is the entries' noise once more, all that they read and
what comes out of it are one class where variances are added up. Their masks are not: what comes out has that of its own
rotation, like any lookup, so that masks are compared without what entries join. It may have no mask unless an entry is
one ciphertext that has one, or a constant that rounds to some digit.

With W_c the sum of weights times 2^(shift to the row's width) with which a row reads ciphertext c, its variance is

    V_fresh  sum over inputs c of W_c^2   +   V_bootstrap  sum over classes C of (sum over c in C of |W_c| sqrt(G_c))^2

where G_c is the gain of a product, that of a selection, and 1 of other lookups.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterator

import numpy as np

from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Linear, Lookup, Selection, rotations, word_weight
from fhe.engine.factors import factored, noise_gains
from fhe.profile import EncryptionProfile

Form = tuple[tuple[int, int], ...]  # (ciphertext, its weight in units of a word), by ciphertext, no zeros
WORD = 1 << 64
PASSES = 16  # over the sources; one of a circuit of 1 MiB takes about a tenth of a second
_NONE: Hashable = ((), frozenset[int]())  # of a source that may have no mask, so that nothing is rotated


def row_variances(
    circuit: Circuit,
    profile: EncryptionProfile,
    fresh: float,
    looked_up: float,
    packed: Callable[[int], float],
) -> list[list[float]]:
    """Torus variance of every value of every Linear, in order, before what is done to it next.

    `fresh` is the variance of an input, `looked_up` that of a bootstrap's output, and `packed` what packing so many
    entries of a selection adds.
    """
    found = _Ciphertexts(circuit, profile, lambda entries: packed(entries) / looked_up)
    classes = _classes(found)
    return [[_variance(form, classes, found, fresh, looked_up) for form in layer] for layer in found.values]


class _Ciphertexts:
    """The distinct ciphertexts of a circuit: its inputs, numbered as they are, then its lookups'."""

    def __init__(self, circuit: Circuit, profile: EncryptionProfile, packing: Callable[[int], float]) -> None:
        self._packing = packing  # of so many entries, in bootstraps' variances
        self.joined: list[list[int]] = []  # ciphertexts that are one class: selections, and what their entries read
        self.inputs = len(circuit.inputs)
        self.sources: list[Form] = []  # of each lookup's ciphertext
        self.maskless: list[bool] = []  # whether its table may round to no digit
        self.deviations: list[float] = []  # of its noise, in those of a bootstrap
        self.values: list[list[Form]] = []  # of every Linear
        self._digit = 1 << (64 - profile.bootstrap.base_log * profile.bootstrap.levels)
        self._known: dict[Hashable, int] = {}
        self._wires = list(range(self.inputs))
        self._widths = [circuit.input_width(profile.message_width)] * self.inputs
        before: Linear | None = None
        for layer in circuit.layers:
            if isinstance(layer, Linear):
                self.values.append([_form(terms) for terms in self._rows(layer)])
                before = layer
            else:
                assert before is not None
                if isinstance(layer, Selection):
                    self._select(before, layer)
                else:
                    self._look_up(before, layer, rotations(circuit, layer))

    def _rows(self, layer: Linear) -> Iterator[Counter[int]]:
        ends, columns, values = layer.indptr.tolist(), layer.columns.tolist(), layer.values.tolist()
        for start, stop in itertools.pairwise(ends):
            terms: Counter[int] = Counter()
            for column, value in zip(columns[start:stop], values[start:stop], strict=True):
                terms[self._wires[column]] += word_weight(value, self._widths[column], layer.width)
            yield terms

    def _select(self, before: Linear, layer: Selection) -> None:
        own = 1.0 + self._packing(layer.entries.shape[1])
        words = [(form, (int(bias) << (63 - before.width)) % WORD) for form, bias in zip(self.values[-1], before.bias)]
        for source, entries in zip(layer.source.tolist(), layer.entries.tolist(), strict=True):
            key = words[source], tuple(words[entry] for entry in entries)
            if key not in self._known:
                forms = [self.values[-1][entry] for entry in entries]
                read = sorted({wire for form in forms for wire, _ in form})
                most = max(self._deviation(form) for form in forms)
                known = self._known[key] = self.inputs + len(self.sources)
                self.sources.append(self.values[-1][source])
                self.maskless.append(all(self._bare(*words[entry]) for entry in entries))
                self.deviations.append(math.sqrt(own + most**2))
                self.joined.append([known, *read])
            self._wires.append(self._known[key])
            self._widths.append(layer.width_out)

    def _bare(self, form: Form, word: int) -> bool:
        """Whether an entry may have no mask, and be no constant that rounds to some digit either."""
        if not form:
            return _small(2 * word, 2 * self._digit)
        return len(form) > 1 or self.maskless[form[0][0] - self.inputs]

    def _deviation(self, form: Form) -> float:
        """Of a sum of lookups, in those of a bootstrap, as if they were one noise."""
        return sum(abs(weight) * self.deviations[wire - self.inputs] for wire, weight in form)

    def _look_up(self, before: Linear, layer: Lookup, rotation: I64) -> None:
        steps, gains = _products(layer, rotation)
        for number, (source, table) in enumerate(zip(layer.source.tolist(), layer.tables.tolist(), strict=True)):
            body = (int(before.bias[source]) << (63 - before.width)) % WORD
            words = tuple(entry << (63 - layer.width_out) for entry in table)
            form, step = self.values[-1][source], steps[number]
            key = form, body, words, step
            if key not in self._known:
                self._known[key] = self.inputs + len(self.sources)
                self.sources.append(form)
                rotated = words if step == 0 else (step << (62 - layer.width_out),)
                self.maskless.append(all(_small(2 * word, 2 * self._digit) for word in rotated))
                self.deviations.append(math.sqrt(gains[number]))
            self._wires.append(self._known[key])
            self._widths.append(layer.width_out)


def _products(layer: Lookup, rotation: I64) -> tuple[list[int], list[float]]:
    """(step, gain) of each lookup's product; 0 and 1 where its table is rotated by itself."""
    steps, gains = [0] * len(rotation), [1.0] * len(rotation)
    for shared in np.flatnonzero(np.bincount(rotation) > 1).tolist():
        members = np.flatnonzero(rotation == shared)
        found = factored(layer.tables[members])
        for number, gain in zip(members.tolist(), noise_gains(found, layer.tables[members]).tolist(), strict=True):
            steps[number], gains[number] = found.step, gain
    return steps, gains


def _classes(found: _Ciphertexts) -> list[int]:
    """The class of every ciphertext's noise; each input is its own."""
    inputs = found.inputs
    classes = list(range(inputs + len(found.sources)))
    ignored = {inputs + number for number, none in enumerate(found.maskless) if none}
    for _ in range(PASSES):
        sizes, before = Counter(classes), set(ignored)
        for source in found.sources:
            read = Counter(classes[wire] for wire, _ in source)
            ignored.update(kind for kind, count in read.items() if count > 1)
        first: dict[Hashable, int] = {}
        parent = list(range(len(classes)))
        for number, source in enumerate(found.sources):
            own, mask = classes[inputs + number], _mask(source, classes, sizes, ignored)
            parent[_root(parent, own)] = _root(parent, first.setdefault(mask, own))
            if mask == _NONE:
                ignored.add(own)
        merged = [_root(parent, kind) for kind in classes]
        ignored = {_root(parent, kind) for kind in ignored}
        if merged == classes and ignored == before:
            return _joined(classes, found.joined)
        classes = merged
    return [*range(inputs), *[inputs] * len(found.sources)]


def _joined(classes: list[int], together: list[list[int]]) -> list[int]:
    """Classes of noises, from those of masks: a selection and what its entries read are one."""
    parent = list(range(len(classes)))
    for one, *others in together:
        for other in others:
            parent[_root(parent, classes[one])] = _root(parent, classes[other])
    return [_root(parent, kind) for kind in classes]


def _root(parent: list[int], kind: int) -> int:
    while parent[kind] != kind:
        parent[kind] = kind = parent[parent[kind]]
    return kind


def _mask(source: Form, classes: list[int], sizes: Counter[int], ignored: set[int]) -> Hashable:
    """What is known of a source's mask: equal for any two sources whose masks may be multiples of one another."""
    kept = [(classes[wire], weight) for wire, weight in source if classes[wire] not in ignored]
    exact = [(kind, weight) for kind, weight in kept if sizes[kind] == 1]
    divisor = math.gcd(*(weight for _, weight in exact)) or 1
    if exact and exact[0][1] < 0:
        divisor = -divisor
    vague = frozenset(kind for kind, _ in kept if sizes[kind] > 1)
    return tuple((kind, weight // divisor) for kind, weight in exact), vague


def _variance(form: Form, classes: list[int], found: _Ciphertexts, fresh: float, looked_up: float) -> float:
    """Of one value, by the formula above."""
    total, deviations = 0.0, dict[int, float]()
    for wire, weight in form:
        if wire < found.inputs:
            total += float(weight) ** 2 * fresh
        else:
            own = abs(weight) * found.deviations[wire - found.inputs]
            deviations[classes[wire]] = deviations.get(classes[wire], 0.0) + own
    return total + sum(deviation**2 for deviation in deviations.values()) * looked_up


def _small(word: int, bound: int) -> bool:
    """Whether a word, as a signed number, is at most `bound` from zero."""
    word %= WORD
    return min(word, WORD - word) <= bound


def _form(terms: Counter[int]) -> Form:
    return tuple(sorted((wire, weight) for wire, weight in terms.items() if weight))
