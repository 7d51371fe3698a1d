"""The 15 B model's prompt encoder: the encoder half of T5Gemma, run by `transformers` in bf16.

Axes: n rows, c channels (3584 as published). Source: specs/model.md 2.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from happyhorse.errors import WeightsMissing
from happyhorse.model.extras import require
from happyhorse.model.layouts import PLAIN_DTYPES, read_headers

MAX_ROWS = 640
_TOKENIZER_FILE, _SENTENCE = "tokenizer.json", "A woman walks in the rain."
_WHOLE_MODEL = "model."
"""Comes before the names of tensors where the decoder is there as well, as published."""


class PromptEncoder(nn.Module):
    """Prompt -> rows of features, as many as it has tokens and at most MAX_ROWS."""

    def __init__(self, tokenizer: object, encoder: nn.Module, *, origin: str = "the text encoder") -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.origin = origin

    @classmethod
    def load(
        cls, folder: Path, *, device: str | torch.device = "cpu", dtype: torch.dtype = torch.bfloat16
    ) -> "PromptEncoder":
        """Read a folder of `transformers`. Raises: WeightsMissing saying what is wrong with it."""
        transformers = require("transformers")
        tokenizer = _tokenizer(folder)
        with _readable(folder, "text encoder"):
            transformers.utils.logging.disable_progress_bar()
            transformers.utils.logging.set_verbosity_error()  # it warns of what is judged below, and of the decoder left out
            encoder, report = require("transformers", "models.t5gemma").T5GemmaEncoderModel.from_pretrained(
                folder,
                is_encoder_decoder=False,
                dtype=dtype,
                local_files_only=True,
                ignore_mismatched_sizes=True,  # they are in the report
                output_loading_info=True,
            )
        _judge(folder, report["missing_keys"], report["mismatched_keys"])
        return cls(tokenizer, encoder.to(device), origin=str(folder)).eval()

    @staticmethod
    def judge(folder: Path) -> None:
        """Judge a folder's tokenizer, and the headers of its shards, with no value read. Raises: WeightsMissing, as `load`."""
        t5gemma = require("transformers", "models.t5gemma")
        _tokenizer(folder)
        with _readable(folder, "text encoder"), torch.device("meta"):
            config = t5gemma.T5GemmaConfig.from_pretrained(folder, local_files_only=True)
            config.is_encoder_decoder = False
            wanted = t5gemma.T5GemmaEncoderModel(config).state_dict()
        entries = read_headers(_weights_of(folder))
        found = {name.removeprefix(_WHOLE_MODEL): entry for name, entry in entries.items()}
        shapes = [(name, found[name].shape, tensor.shape) for name, tensor in wanted.items() if name in found]
        _judge(folder, wanted.keys() - found.keys(), [each for each in shapes if each[1] != each[2]])
        for name in sorted(wanted):
            if found[name].dtype not in PLAIN_DTYPES:
                raise WeightsMissing(
                    f"{found[name].file}: {name} is stored as {found[name].dtype}; {', '.join(PLAIN_DTYPES)} can be read"
                )

    def token_ends(self, prompt: str) -> list[int]:
        """Return where each token of a prompt ends, in characters, those past MAX_ROWS too; 0 for one that stands for none."""
        assert callable(self.tokenizer)
        return [end for _, end in self.tokenizer(prompt, return_offsets_mapping=True)["offset_mapping"]]

    def encode(self, prompt: str) -> Float[Tensor, "1 n c"]:
        """Return features in float32, rounded to half precision as the network saw them in training.

        One prompt, the tokenizer's own defaults, no padding and no template; rows past MAX_ROWS are cut after encoding.
        Raises: WeightsMissing when damaged weights give values that are not finite.
        """
        assert callable(self.tokenizer)
        tokens = self.tokenizer(prompt, return_tensors="pt").to(next(self.encoder.parameters()).device)
        hidden: Tensor = self.encoder(**tokens).last_hidden_state
        if not bool(hidden.isfinite().all()):
            raise WeightsMissing(f"{self.origin} gives features that are not finite; its weights are damaged")
        return hidden[:, :MAX_ROWS].half().float()


def _weights_of(folder: Path) -> Path:
    """What `transformers` reads of a folder: this file, or shards by an index of this name. Raises: WeightsMissing."""
    single = folder / "model.safetensors"
    if single.is_file():
        return single
    if not (folder / f"{single.name}.index.json").is_file():
        raise WeightsMissing(f"{folder} has neither {single.name} nor {single.name}.index.json")
    return folder


def _tokenizer(folder: Path) -> Callable[..., Any]:
    """Read a folder's tokenizer and try it: where files are missing `transformers` makes one that knows no words.

    Raises: WeightsMissing.
    """
    if not (folder / _TOKENIZER_FILE).is_file():
        raise WeightsMissing(f"{folder} lacks {_TOKENIZER_FILE}")
    with _readable(folder, "tokenizer"):
        transformers = require("transformers")
        found: Callable[..., Any] = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        count = len(found(_SENTENCE, return_offsets_mapping=True)["offset_mapping"])
    if count < len(_SENTENCE.split()):
        raise WeightsMissing(f"{folder} holds a tokenizer that reads '{_SENTENCE}' as {count} tokens")
    return found


@contextmanager
def _readable(folder: Path, what: str) -> Iterator[None]:
    """What `transformers` says of a folder in which it cannot read `what`, as WeightsMissing."""
    try:
        yield
    except Exception as err:  # the library of tokenizers raises nothing narrower
        said = shorten(str(err) or repr(err), 240, placeholder="...")
        raise WeightsMissing(f"{folder} holds no {what} that can be read: {said}") from err


def _judge(
    folder: Path, absent: Collection[str], misshapen: Collection[tuple[str, Collection[int], Collection[int]]]
) -> None:
    """Refuse tensors that `transformers` would leave random: absent, or, by name, of a shape that was not wanted."""
    if absent:
        raise WeightsMissing(f"{folder} lacks tensors of the text encoder, first {min(absent)}")
    if misshapen:
        name, seen, allowed = min(misshapen)
        raise WeightsMissing(
            f"{folder}: {name} has the shape {tuple(seen)}; this model needs {tuple(allowed)}"
        )
