"""Prompt -> text features: a small encoder of our own, run once per clip.

Learned query rows stand before the tokens of the prompt and attend with them in both directions; only the queries come
out. So the transformer sees a short, fixed number of text rows in which word order and binding ("grey hair and a green
jacket") are already resolved. Query i reads attribute i of the world: a linear head on its row gives the value, or "not
mentioned".

Axes: b batch, m tokens of the prompt, q queries, n rows = q + m, d width, h heads, k head width.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn

from happyhorse.model.checkpoint import Storage, description, fill, load_tensors, save_tensors

PAD = 0
FORMAT = "happyhorse-text-1"
REACH = 4
"""Tokens to either side that a word sees before it attends."""


@dataclass(frozen=True)
class TextConfig:
    """The size of a text encoder, and what it reads: (name, values) of each attribute, in the order of the queries."""

    attributes: tuple[tuple[str, tuple[str, ...]], ...]
    vocab_size: int = 4096
    num_layers: int = 3
    hidden: int = 256
    num_heads: int = 4
    num_queries: int = 16
    max_tokens: int = 256
    rope_theta: float = 1000.0

    def __post_init__(self) -> None:
        if self.num_queries < len(self.attributes):
            raise ValueError(
                f"num_queries is {self.num_queries}; {len(self.attributes)} attributes need more"
            )
        if self.hidden % (4 * self.num_heads):
            raise ValueError(f"hidden {self.hidden} must be a multiple of 4 x num_heads ({self.num_heads})")

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "TextConfig":
        """Read what `dataclasses.asdict` wrote through JSON. Raises: TypeError for unknown keys."""
        attributes = values["attributes"]
        assert isinstance(attributes, list | tuple)
        frozen = tuple((str(name), tuple(options)) for name, options in attributes)
        return cls(**{**values, "attributes": frozen})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Reading:
    """What the encoder understood of one attribute: a value, or None for "not mentioned", and how sure it is."""

    value: str | None
    probability: float


def train_tokenizer(texts: Sequence[str], *, vocab_size: int) -> Tokenizer:
    """Return a byte-level BPE tokenizer: NFKC, lower case, digits one by one; every string can be spelled."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=["<pad>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


class TextEncoder(nn.Module):
    """Prompts in, `num_queries` feature rows of unit scale out."""

    def __init__(self, config: TextConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.config = config
        self.tokenizer = tokenizer
        self.embedding = nn.Embedding(config.vocab_size, config.hidden, padding_idx=PAD)
        self.queries = nn.Parameter(torch.randn(config.num_queries, config.hidden) * 0.5)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))
        self.neighbours = nn.ModuleList(Neighbours(config.hidden) for _ in range(config.num_layers - 1))
        self.heads = nn.ModuleList(
            nn.Linear(config.hidden, len(values) + 1) for _, values in config.attributes
        )
        nn.init.normal_(self.embedding.weight, std=0.5)

    def tokenize(self, prompts: list[str]) -> Int[Tensor, "b m"]:
        """Return token ids, padded to the longest with PAD and cut to `max_tokens`; an empty prompt has no token."""
        rows = [
            e.ids[: self.config.max_tokens] for e in self.tokenizer.encode_batch([p.strip() for p in prompts])
        ]
        width = max(map(len, rows), default=0)
        return torch.tensor([ids + [PAD] * (width - len(ids)) for ids in rows], dtype=torch.int64).reshape(
            len(rows), width
        )

    def forward(self, ids: Int[Tensor, "b m"]) -> Float[Tensor, "b q d"]:
        """Return the features; padding is seen by no row, so a prompt reads the same in any batch."""
        batch, num_queries = len(ids), self.config.num_queries
        rows = torch.cat([self.queries.expand(batch, -1, -1), self.embedding(ids)], dim=1)  # (b, n, d)
        seen = F.pad(ids != PAD, (num_queries, 0), value=True)
        phases = _phases(ids.shape[1], num_queries, self.config, ids.device)
        for layer, neighbours in zip(self.layers[:-1], self.neighbours, strict=True):
            mixed = neighbours(rows[:, num_queries:], ids != PAD)
            rows = layer(torch.cat([rows[:, :num_queries], mixed], dim=1), seen, phases)
        rows = self.layers[-1](rows, seen, phases, num_out=num_queries)  # (b, q, d)
        with torch.autocast(ids.device.type, enabled=False):
            return F.layer_norm(rows.float(), (self.config.hidden,))

    @torch.no_grad()
    def encode(self, prompts: list[str]) -> Float[Tensor, "b q d"]:
        """Return the features of prompts, without gradients; "" gives the features of saying nothing."""
        return self(self.tokenize(prompts).to(self.queries.device))

    def logits(self, features: Float[Tensor, "b q d"]) -> list[Float[Tensor, "b _"]]:
        """Return per attribute the scores of its values and, last, of "not mentioned"."""
        return [head(features[:, i]) for i, head in enumerate(self.heads)]

    @torch.no_grad()
    def read(self, prompts: list[str]) -> list[dict[str, Reading]]:
        """Return what was understood of each prompt: for planning, and for measuring what was asked."""
        features = self.encode(prompts)
        readings: list[dict[str, Reading]] = [{} for _ in prompts]
        for (name, values), scores in zip(self.config.attributes, self.logits(features), strict=True):
            probabilities, best = scores.softmax(-1).max(-1)
            for reading, probability, index in zip(
                readings, probabilities.tolist(), best.tolist(), strict=True
            ):
                reading[name] = Reading(values[index] if index < len(values) else None, probability)
        return readings

    def save(self, path: Path, *, storage: Storage = "as_is") -> None:
        """Write weights, config and tokenizer to one file, whole or not at all."""
        metadata = {
            "format": FORMAT,
            "config": json.dumps(asdict(self.config)),
            "tokenizer": self.tokenizer.to_str(),
        }
        save_tensors(self.state_dict(), path, metadata=metadata, storage=storage)

    @classmethod
    def load(cls, path: Path) -> "TextEncoder":
        """Read what `save` wrote: float32, on the CPU, in eval mode, frozen.

        Raises: WeightsMissing if the file is missing, cut short, of another format, or does not fit its own config.
        """
        with description(path, FORMAT) as metadata:
            config = TextConfig.from_dict(json.loads(metadata["config"]))
            tokenizer = Tokenizer.from_str(metadata["tokenizer"])
        encoder = cls(config, tokenizer)
        fill(encoder, load_tensors(path), origin=str(path))
        return encoder.eval().requires_grad_(False)


Phases = tuple[Tensor, Tensor]


class Neighbours(nn.Module):
    """Add to each token a weighted sum of those around it, channel by channel: who stands next to whom.

    Without it the encoder knew every colour of a prompt long before it knew whose colour it was (docs/log.md).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2 * REACH + 1, width))

    def forward(self, tokens: Float[Tensor, "b m d"], real: Bool[Tensor, "b m"]) -> Float[Tensor, "b m d"]:
        padded = F.pad(tokens * real[..., None], (0, 0, REACH, REACH))
        length = tokens.shape[1]
        return tokens + sum(weight * padded[:, i : i + length] for i, weight in enumerate(self.weight))


class Layer(nn.Module):
    """Attention, then a gated MLP, each added to the residual."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        width = config.hidden
        self.num_heads = config.num_heads
        self.norm_attention = nn.RMSNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm_mlp = nn.RMSNorm(width)
        self.gate_up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(2 * width, width, bias=False)

    def forward(
        self,
        rows: Float[Tensor, "b n d"],
        seen: Bool[Tensor, "b n"],
        phases: Phases,
        num_out: int | None = None,
    ) -> Float[Tensor, "b out d"]:
        """Return the first `num_out` rows, all by default; the last layer is asked for the queries only."""
        q, k, v = rearrange(
            self.qkv(self.norm_attention(rows)), "b n (x h k) -> x b h n k", x=3, h=self.num_heads
        )
        q, k = _rotate(q, phases)[:, :, :num_out], _rotate(k, phases)
        # Plain matrix products: at 60 rows torch's fused CPU attention costs four times as much in training.
        scores = (q @ k.transpose(-1, -2)) * q.shape[-1] ** -0.5  # (b, h, out, n)
        weights = scores.float().masked_fill(~seen[:, None, None], -torch.inf).softmax(-1).to(v.dtype)
        rows = rows[:, :num_out] + self.out(rearrange(weights @ v, "b h n k -> b n (h k)"))
        gate, up = self.gate_up(self.norm_mlp(rows)).chunk(2, dim=-1)
        return rows + self.down(F.silu(gate) * up)


def _phases(num_tokens: int, num_queries: int, config: TextConfig, device: torch.device) -> Phases:
    """Cosines and sines for the first half of each head; the other half, and the queries, have no place in the order."""
    num_bands = config.hidden // config.num_heads // 4
    bands = config.rope_theta ** -torch.linspace(0, 1, num_bands, device=device)
    places = F.pad(torch.arange(1, num_tokens + 1, device=device), (num_queries, 0))
    angles = places[:, None] * bands  # (n, k/4)
    return angles.cos(), angles.sin()


def _rotate(x: Float[Tensor, "b h n k"], phases: Phases) -> Float[Tensor, "b h n k"]:
    cos, sin = (phase.to(x.dtype) for phase in phases)
    quarter = x.shape[-1] // 4
    first, second, rest = x.split((quarter, quarter, 2 * quarter), dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos, rest], dim=-1)
