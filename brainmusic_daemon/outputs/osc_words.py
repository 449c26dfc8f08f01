"""What a mapper says in; the OSC messages for what has changed about it, or for all of it, out."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from brainmusic_daemon.api import Words
from brainmusic_daemon.outputs.osc_encoding import Message, floats_in, int32

TEXT = "/brainmusic/text"
PROMPT = "/brainmusic/prompt"
EMBEDDING = "/brainmusic/embedding"
MAX_TEXT = 1000  # characters: what one datagram carries, with room for its address

# letters and signs that no decomposition takes apart into ASCII
_SPELT = str.maketrans(
    {
        **{"ß": "ss", "æ": "ae", "Æ": "Ae", "ø": "o", "Ø": "O", "œ": "oe", "Œ": "Oe", "đ": "d", "ł": "l", "Ł": "L"},
        **{"–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "×": "x"},
    }
)


def messages(words: Words | None, before: Words | None, whole: bool) -> list[Message]:
    """Return what is to be sent now that `words` are said, and `before` were when messages were made last.

    `whole`: everything, for who came late.  A slot that is no longer used is sent once more, with weight 0.
    """
    if words is before and not whole:
        return []
    found: list[Message] = []
    text, told = words.text if words else "", before.text if before else ""
    if text != told or (whole and words):
        found.append((TEXT, (plain(text),)))
    now = {prompt.slot: prompt for prompt in (words.prompts if words else ())}
    then = {prompt.slot: prompt for prompt in (before.prompts if before else ())}
    found += [
        (PROMPT, (int32(slot), plain(prompt.text), float(prompt.weight)))
        for slot, prompt in now.items()
        if whole or prompt != then.get(slot)
    ]
    found += [(PROMPT, (int32(slot), plain(then[slot].text), 0.0)) for slot in then if slot not in now]
    if words and words.embedding and (whole or before is None or words.embedding != before.embedding):
        found += _embedding(words.embedding)
    return found


def plain(text: str) -> str:
    """Return `text` as OSC can carry it: printable ASCII in one line, accents left out, at most MAX_TEXT characters."""
    if not text.isascii():
        apart = unicodedata.normalize("NFKD", text.translate(_SPELT))
        text = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return "".join(c if " " <= c <= "~" else " " if c.isspace() else "?" for c in text)[:MAX_TEXT]


def _embedding(values: Sequence[float]) -> list[Message]:
    """Return one message, or as many of equal length as there must be, numbered in their addresses."""
    room = floats_in(EMBEDDING)
    if len(values) <= room:
        return [(EMBEDDING, tuple(values))]
    count = -(-len(values) // floats_in(f"{EMBEDDING}/00"))
    size = -(-len(values) // count)
    return [(f"{EMBEDDING}/{part}", tuple(values[part * size : (part + 1) * size])) for part in range(count)]
