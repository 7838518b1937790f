"""Catalogues are whole: every message of the code is in them, with words, and the words keep values and markup."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from app.market.web.language.catalogue import AREAS, ENGLISH, FOLDER, LANGUAGES
from app.market.web.language.marking import SPOKEN, mark
from scripts.write_messages import TEMPLATES, current, sentences_of, tagged, untranslated, written

OTHERS = [(language, area) for language in LANGUAGES if language != ENGLISH for area in AREAS]
HELD = {  # what the words of a message must have as the message has it: values, and in templates tags
    "templates": re.compile(r"%\(\w+\)s|%%|\{count\}|</?(?:a|code|em|span|strong)>"),
    "server": re.compile(r"\{\w+\}"),
    "scripts": re.compile(r"\{\d+\}"),
}


def messages(language: str, area: str) -> Iterator[Message]:
    """All of a catalogue's."""
    with (FOLDER / language / f"{area}.po").open("rb") as file:
        yield from (each for each in read_po(file, locale=language) if each.id)


@pytest.mark.parametrize(("language", "area"), OTHERS)
def test_catalogues_are_current_and_whole(language: str, area: str) -> None:
    """Nothing is said that has no words, nothing has words that is not said, and nothing was left for later."""
    catalogue = current(area, language)
    assert untranslated(catalogue) == [], "translate them: frontend/languages, after `make messages`"
    assert (FOLDER / language / f"{area}.po").read_bytes() == written(catalogue), "run: make messages"
    assert [each.id for each in messages(language, area) if each.fuzzy] == []


@pytest.mark.parametrize(("language", "area"), OTHERS)
def test_words_keep_values_and_markup(language: str, area: str) -> None:
    """The same values and tags, the same space at either end, and nothing else that a browser would read as markup."""
    wrong = []
    for each in messages(language, area):
        several = isinstance(each.id, tuple)
        source = str(each.id[-1] if several else each.id)
        for form in map(str, (each.string or ()) if several else [each.string]):
            held = Counter(HELD[area].findall(source)) != Counter(HELD[area].findall(form))
            ends = [source[:1].isspace(), source[-1:].isspace()] != [form[:1].isspace(), form[-1:].isspace()]
            bare = HELD["templates"].sub("", form)
            hole = area == "templates" and re.search(r'[<>"&]', bare)
            if held or ends or hole:
                wrong.append((source, form))
    assert wrong == []


def test_templates_translate_constants_alone() -> None:
    """What `_` gives is markup: a value in it would be a hole. Values go through `said`, which is escaped."""
    for path in TEMPLATES.glob("*.html"):
        for call in re.finditer(r"(?<!\w)_\(\s*(.)", path.read_text("utf-8")):
            assert call[1] in "\"'", (path.name, call[0])


@pytest.mark.parametrize(
    ("source", "marked"),
    [
        ("<p>Paid.</p>", "<p>{%+ trans  %}Paid.{% endtrans +%}</p>"),
        (
            "<p>Paid by {{ job.buyer }}, <b>once</b>.</p>",
            "<p>{%+ trans buyer=job.buyer %}Paid by {{ buyer }}, <b>once</b>.{% endtrans +%}</p>",
        ),
        ("<b>{{ x }}</b> {{ y }}, 7", "<b>{{ x }}</b> {{ y }}, 7"),
        ("{{ ui.icon('x') }}Go", "{{ ui.icon('x') }}{%+ trans  %}Go{% endtrans +%}"),
        ('<a title="Go" href="/x">{{ x }}</a>', '<a title="{%+ trans  %}Go{% endtrans +%}" href="/x">{{ x }}</a>'),
        ("{# Not said #}{% if a > b %}{{ a }}{% endif %}", "{# Not said #}{% if a > b %}{{ a }}{% endif %}"),
        ("{% raw %}Said {{ by }} code{% endraw %}", "{% raw %}Said {{ by }} code{% endraw %}"),
        ("&nbsp;{{ x }}", "&nbsp;{{ x }}"),
        ("", ""),
    ],
)
def test_text_is_marked_and_nothing_else(source: str, marked: str) -> None:
    """Sentences with their values and inline elements; no code, no picture, no entity."""
    assert mark(source) == marked


def test_no_attribute_says_something_unmarked() -> None:
    """What reads as words in a template's attribute is shown to somebody, by a browser or by a script."""
    found = []
    for path in TEMPLATES.glob("*.html"):
        for each in re.finditer(r'\s([a-z-]+)="([A-Z][a-z]+ [a-z][^"]*)"', path.read_text("utf-8")):
            found += [(path.name, each[1], each[2])] * (each[1] not in SPOKEN.split("|"))
    assert found == []


def test_marking_moves_no_line() -> None:
    """An error's line is the template's own."""
    for path in TEMPLATES.glob("*.html"):
        source = path.read_text("utf-8")
        assert mark(source).count("\n") == source.count("\n"), path.name


def test_messages_are_found_where_they_are_said() -> None:
    """In scripts inside of values too; in Python with what stands for a value, no docstring and no code."""
    assert list(tagged("say(t`Job ${id} of ${t`a ${x}`}`, `t ${1}`)")) == ["Job {0} of {1}", "a {0}"]
    source = (
        '"""Not said."""\ndef f(x):\n    "Not this."\n    return Bad(f"No job {x.id} here.", "Wait.", "darkroom up")'
    )
    assert list(sentences_of(source)) == ["No job {id} here.", "Wait."]
