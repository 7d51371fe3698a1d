"""The tokenizer of the 15 B engine's text encoder, alone: a few megabytes of its weights' folder. Torch-free."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from happyhorse.engines.prompt_length import Tokenize

TOKENIZER_FILE = Path("magihuman", "text_encoder", "tokenizer.json")


def open_tokenizer(weights_dir: Path) -> Tokenize | None:
    """Return it; None where it is not, or cannot be read: a plan needs no weights."""
    path = weights_dir / TOKENIZER_FILE
    if not path.is_file():
        return None
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception:  # its only kind; what is wrong with a folder is for `weights verify` to say
        return None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: [end for _, end in tokenizer.encode(text).offsets]
