"""Text that came from anywhere in; text that does nothing to a terminal or a log but be read out."""

from __future__ import annotations

_SPACES = frozenset("\u00a0\u2009\u202f")  # typography, which Python does not call printable


def harmless(text: str, more: str = "\n") -> str:
    """Return the text with escapes for whatever is no letter, sign or space.

    Escape sequences set titles, move the cursor and colour; a line feed begins what looks like a line of our own; some
    marks let text run backwards; half a surrogate cannot be written at all.  `more`: what a line feed becomes.
    """
    if text.isprintable():
        return text
    return "".join(_escaped(character, more) for character in text)


def _escaped(character: str, more: str) -> str:
    if character.isprintable() or character in _SPACES:
        return character
    if character == "\n":
        return more
    return "    " if character == "\t" else character.encode("unicode_escape").decode("ascii")
