"""What is wrong with texts as texts: decoded, escaped, cut or framed by a machine. Knows rows and their audit; knows no labels and no model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from limbeck.data.prepare import Prepared
from limbeck.doctor.reading import UNSPACED
from limbeck.doctor.wording import first_of, graded, shown
from limbeck.findings import Finding, warning
from limbeck.types import Record

GARBLED, LOST, MARKUP, CUT, FRAMED, UNSPACED_TEXTS = 0.01, 0.05, 0.05, 0.1, 0.8, 0.5
"""Shares of texts from which on a note becomes a warning, or there is a finding at all: decoded wrongly, with letters lost, with markup, as
long as the longest, with one beginning or end, without a space."""
_LEAST = 50  # different texts: below that a share says little
_SHORTEST, _FRAME, _SPACED = 8, 12, 12  # characters
_MARKUP = re.compile(
    r"&(?:[a-z]{2,8}|#\d{2,5}|#x[0-9a-f]{2,4});|</?(?:p|br|b|i|u|a|div|span|ul|li|td|tr|font|strong|em)\b[^<>]{0,200}>"
    r"|[%+]\S*%[0-9a-f]{2}|%[0-9a-f]{2}\S*[%+]|\\[nrt](?![a-z])|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}",
    re.IGNORECASE,
)
_LETTER_LOST = re.compile(r"[^\W\d_]\?[^\W\d_]")
_DIGITS = re.compile(r"\d+")


def text_findings(prepared: Prepared) -> Iterator[Finding]:
    """All that texts say by themselves."""
    rows = (*prepared.as_read, *prepared.test_as_read)
    if not rows or prepared.noun != "text":
        return
    garbled = prepared.audit["garbled_texts"].count
    yield from graded(
        "garbled_texts",
        garbled / len(rows),
        GARBLED,
        "Texts were decoded wrongly.",
        f"{garbled:,} of {len(rows):,} texts ({garbled / len(rows):.1%}) hold characters that nobody types{shown(prepared.audit, 'garbled_texts')}.",
        "Write the file as UTF-8 from its source again; customers will not send such characters.",
    )
    lost = [r for r in rows if _LETTER_LOST.search(str(r.payload))]
    if len(lost) > LOST * len(rows):
        yield warning(
            "garbled_texts",
            "Letters of the texts were lost.",
            f"{len(lost):,} of {len(rows):,} texts ({len(lost) / len(rows):.1%}) have a question mark within a word{first_of(lost)}.",
            "Something wrote them in an encoding without these letters. Write the file as UTF-8 from its source again.",
        )
    marked = [r for r in rows if _MARKUP.search(str(r.payload))]
    yield from graded(
        "markup_in_texts",
        len(marked) / len(rows),
        MARKUP,
        "Texts hold the markup of a page, or the escapes of a program.",
        f"{len(marked):,} of {len(rows):,} texts ({len(marked) / len(rows):.1%}) have tags, entities such as &amp;, or escapes such as %20 or \\n"
        f"{first_of(marked)}.",
        "Take it out (html.unescape, urllib.parse.unquote_plus) as long as customers do not type it: the teacher was not trained on it, and the student will miss it.",
    )
    for name, of in (("training", prepared.as_read), ("test", prepared.test_as_read)):
        yield from _cut(name, of)
        yield from _framed(name, of)
        yield from _run_together(name, of)


def _cut(name: str, rows: Sequence[Record]) -> Iterator[Finding]:
    """Texts that end where a column was full."""
    texts = {str(r.payload): r for r in rows}
    longest = max(map(len, texts), default=0)
    full = [r for text, r in texts.items() if len(text) == longest]
    if longest >= _SHORTEST and len(texts) >= _LEAST and len(full) > CUT * len(texts):
        yield warning(
            "texts_end_at_a_length",
            f"The {name} texts seem to have been cut.",
            f"{len(full):,} of {len(texts):,} different texts have {longest:,} characters, and none has more{first_of(full)}.",
            "Some column or form was too short for them. Read them again from where they are whole: the end of a sentence often decides.",
        )


def _framed(name: str, rows: Sequence[Record]) -> Iterator[Finding]:
    """Texts that a machine wrote something before or behind."""
    texts = {str(r.payload): r for r in rows}
    if len(texts) < _LEAST:
        return
    plain = [_DIGITS.sub("0", text.strip()) for text in texts]
    for where, ends in (("begin", [t[:_FRAME] for t in plain]), ("end", [t[-_FRAME:] for t in plain])):
        ((frame, count),) = Counter(ends).most_common(1)
        if len(frame) == _FRAME and count > FRAMED * len(texts):
            yield warning(
                "texts_framed",
                f"The {name} texts {where} alike.",
                f"{count:,} of {len(texts):,} different texts {where} with {frame!r}, numbers aside{first_of(list(texts.values()))}.",
                "Is a whole line, a form or a signature in the column of the text? Take out what no customer writes.",
            )
            return


def _run_together(name: str, rows: Sequence[Record]) -> Iterator[Finding]:
    """Texts without spaces, in a script that has them."""
    long = [r for r in rows if len(str(r.payload)) >= _SPACED]
    bare = [r for r in long if len(str(r.payload).split()) < 2 and not UNSPACED.search(str(r.payload))]
    if len(long) >= _LEAST and len(bare) > UNSPACED_TEXTS * len(long):
        yield warning(
            "texts_without_spaces",
            f"Most {name} texts are one word.",
            f"{len(bare):,} of {len(long):,} texts of {_SPACED} characters and more have no space{first_of(bare)}.",
            "Are they texts, and no ids or encoded bytes? Name the column that holds the texts (--set data.text=NAME), or decode them.",
        )
