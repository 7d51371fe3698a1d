"""What assembly leaves of a text, mended: spaces, marks, articles, capitals."""

from __future__ import annotations

import re


def tidy(text: str) -> str:
    """Mend articles, spaces and marks that the assembly left behind."""
    text = re.sub(r"[ ]{2,}", " ", text)
    text = re.sub(r"(:\s*):\s", r"\1", text)
    text = re.sub(r"\s+([,.;:!?])", r"\1", text)
    text = re.sub(r"\b(?:and|plus), ", ", ", text)
    text = re.sub(r"\b([Aa]) (?=[aeiouAEIOU])(?!(?i:uni|eu|one\b|us))", r"\1n ", text)
    return re.sub(r"([,;])(?:\s*[,;.])+", r"\1", text).strip()


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def bare(phrase: str) -> str:
    """A place without its preposition and article."""
    return re.sub(
        r"^(?:in front of|at home in|deep in|next to|in|at|on|by|behind|against|among|with)\s+(?:an?\s|the\s)?",
        "",
        phrase,
    )
