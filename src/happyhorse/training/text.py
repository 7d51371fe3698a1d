"""Train the text encoder: captions drawn on the fly -> the attributes they mention. Behind `happyhorse train text`.

The whole state is one file beside the weights (text.state.safetensors), written by time and renamed into place, so a killed run
goes on where it was; step s always sees the same captions. The weights file is what the rest of the package reads; of it alone, a
run goes on as well: with its tokenizer, all weights that still fit the world's attributes, a new optimizer and a lower rate.
"""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from tokenizers import Tokenizer
from torch import Tensor, nn

from happyhorse.model.text import TextConfig, TextEncoder, train_tokenizer
from happyhorse.training.state import load_state, save_state
from happyhorse.world.caption import Caption, caption
from happyhorse.world.phrases.dice import Split
from happyhorse.world.scene import ATTRIBUTES, Scene, sample_ball_scene, sample_scene

BATCH_SIZE = 64
LEARNING_RATE, GROWN_RATE = 1.5e-3, 5e-4
"""Of an encoder from nothing, and of one that already reads."""
WARMUP_STEPS = 100
REPORT_EVERY_S = 20.0
SAVE_EVERY_S = 60.0
NUM_TOKENIZER_CAPTIONS = 12_000
BPE_DROPOUT = 0.06
BALL_SHARE = 0.1


@dataclass(frozen=True)
class Report:
    """How a run stands."""

    step: int
    seconds: float
    minutes: float
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Sample:
    """A scene with one of its prompts."""

    scene: Scene
    caption: Caption

    def targets(self) -> list[int]:
        """Index of each attribute's value; one past the last for "not mentioned"."""
        facts = self.scene.attributes()
        told = {name: facts[name] for name in self.caption.mentioned} | {"subject": self.caption.subject}
        return [
            values.index(told[name]) if told.get(name) else len(values) for name, values in ATTRIBUTES.items()
        ]


def run(
    *,
    out: Path,
    minutes: float,
    resume: bool,
    seed: int = 0,
    on_report: Callable[[Report], None] | None = None,
) -> None:
    """Train for `minutes` (counted over all runs) and leave the encoder in `out`.

    Args:
        out: the weights file (.safetensors); its folder is made.
        minutes: training time, earlier runs included when resuming; the learning rate falls to zero over it.
        resume: go on from the state if it is there, else from the weights in `out`: what fits of them, if the world has grown.
        seed: of weights and captions.
        on_report: called about every 20 s.

    Raises: WeightsMissing where a state is to go on and the weights beside it, which hold its tokenizer, are gone.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    Trainer(out, minutes=minutes, seed=seed, resume=resume).train(on_report)


class Trainer:
    """The encoder, its optimizer and the clock; `resume` goes on from what lies at `out`, as `run` says."""

    def __init__(self, out: Path, *, minutes: float, seed: int, resume: bool = False) -> None:
        torch.manual_seed(seed)
        self.out, self.minutes, self.seed = out, minutes, seed
        self.state_path = out.with_suffix(".state.safetensors")
        self.step, self.seconds = 0, 0.0
        has_state = resume and self.state_path.exists()
        has_weights = resume and out.exists()
        self.encoder = grown_encoder(out) if has_state or has_weights else new_encoder(seed=seed)
        self.learning_rate = GROWN_RATE if has_weights else LEARNING_RATE
        self.averaged = copy.deepcopy(self.encoder).requires_grad_(requires_grad=False)
        matrices = [
            p
            for n, p in self.encoder.named_parameters()
            if p.ndim == 2 and "embedding" not in n and "queries" not in n
        ]
        others = [p for n, p in self.encoder.named_parameters() if not any(p is m for m in matrices)]
        groups = [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=self.learning_rate, betas=(0.9, 0.98))
        if has_state:
            self._load_state()

    def train(self, on_report: Callable[[Report], None] | None = None) -> None:
        """Step until the time is over, saving on the way."""
        dropping = _with_dropout(self.encoder.tokenizer)
        began, saved, reported = time.monotonic() - self.seconds, time.monotonic(), 0.0
        while self.seconds < 60 * self.minutes:
            loss, accuracy = self._step(dropping)
            now = time.monotonic()
            self.seconds = now - began
            if on_report and now - reported > REPORT_EVERY_S:
                on_report(Report(self.step, self.seconds, self.minutes, loss, accuracy))
                reported = now
            if now - saved > SAVE_EVERY_S:
                self.save()
                saved = now
        self.save()

    def _step(self, tokenizer: Tokenizer) -> tuple[float, float]:
        progress = min(1.0, self.seconds / (60 * self.minutes))
        rate = (
            self.learning_rate
            * min(1.0, (self.step + 1) / WARMUP_STEPS)
            * (0.02 + 0.98 * (1 - progress) ** 1.0)
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        samples = draw_batch(np.random.default_rng([self.seed, 1, self.step]), BATCH_SIZE)
        loss_sum, right, total = 0.0, 0, 0
        self.optimizer.zero_grad(set_to_none=True)
        for part in _by_length(samples, tokenizer, self.encoder.config.max_tokens):
            loss, hits = _loss(self.encoder, part)
            (loss * len(part[0]) / len(samples)).backward()
            loss_sum += float(loss.detach()) * len(part[0]) / len(samples)
            right, total = right + hits, total + part[1].numel()
        torch.nn.utils.clip_grad_norm_(self.encoder.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        decay = min(0.995, self.step / (self.step + 20))
        for mean, parameter in zip(self.averaged.parameters(), self.encoder.parameters(), strict=True):
            mean.lerp_(parameter.detach(), 1 - decay)
        return loss_sum, right / total

    def save(self) -> None:
        """Write the state and the averaged weights, each whole or not at all."""
        self.averaged.save(self.out, storage="int8")
        numbers = {"step": self.step, "seconds": self.seconds, "learning_rate": self.learning_rate}
        save_state(self.state_path, models=self._models(), optimizers=self._optimizers(), numbers=numbers)

    def _load_state(self) -> None:
        numbers = load_state(self.state_path, models=self._models(), optimizers=self._optimizers())
        self.step, self.seconds = int(numbers["step"]), numbers["seconds"]
        self.learning_rate = numbers["learning_rate"]

    def _models(self) -> dict[str, nn.Module]:
        return {"encoder": self.encoder, "averaged": self.averaged}

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"adamw": self.optimizer}


def new_encoder(*, seed: int, num_captions: int = NUM_TOKENIZER_CAPTIONS) -> TextEncoder:
    """Return an untrained encoder whose tokenizer has read captions."""
    rng = np.random.default_rng([seed, 0])
    texts = [sample.caption.text for sample in draw_batch(rng, num_captions)]
    base = TextConfig(attributes=tuple(ATTRIBUTES.items()))
    tokenizer = train_tokenizer(texts, vocab_size=base.vocab_size)
    return TextEncoder(base, tokenizer)


def grown_encoder(path: Path) -> TextEncoder:
    """Return an encoder of today's attributes with the size and tokenizer of a trained one, and all its weights that still fit."""
    trained = TextEncoder.load(path)
    attributes = tuple(ATTRIBUTES.items())
    num_queries = max(trained.config.num_queries, len(attributes))
    config = replace(trained.config, attributes=attributes, num_queries=num_queries)
    encoder = TextEncoder(config, trained.tokenizer)
    mine, known = encoder.state_dict(), trained.state_dict()
    fitting = {
        name: known[name] for name in mine.keys() & known.keys() if mine[name].shape == known[name].shape
    }
    encoder.load_state_dict(fitting, strict=False)
    return encoder


def draw_batch(
    rng: np.random.Generator, size: int, *, split: Split = "train", first_seed: int = 0
) -> list[Sample]:
    """Draw scenes and a caption of each; one in a hundred captions is empty."""
    samples = []
    for _ in range(size):
        sample = sample_ball_scene if rng.random() < BALL_SHARE else sample_scene
        scene = sample(first_seed + int(rng.integers(2**40)), seconds=float(rng.uniform(3, 8)))
        told = caption(scene, rng, split=split)
        if split == "train" and rng.random() < 0.01:
            told = Caption("", frozenset(), subject="")
        samples.append(Sample(scene, told))
    return samples


Batch = tuple[Int[Tensor, "b m"], Int[Tensor, "b a"]]


def _by_length(
    samples: list[Sample], tokenizer: Tokenizer, max_tokens: int, parts: int = 3
) -> Iterator[Batch]:
    """Split a batch into parts of like length, to spare padding: ids and targets."""
    rows = [e.ids[:max_tokens] for e in tokenizer.encode_batch([s.caption.text for s in samples])]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    for chunk in np.array_split(np.array(order), parts):
        width = max(1, *(len(rows[i]) for i in chunk))
        ids = torch.tensor([rows[i] + [0] * (width - len(rows[i])) for i in chunk])
        targets = torch.tensor([samples[i].targets() for i in chunk])
        yield ids, targets


def _loss(encoder: TextEncoder, batch: Batch) -> tuple[Float[Tensor, ""], int]:
    """Cross-entropy over values and "not mentioned"; and how many attributes were read right."""
    ids, targets = batch
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = encoder(ids)
    logits = encoder.logits(features)
    losses = [F.cross_entropy(scores, targets[:, i], label_smoothing=0.01) for i, scores in enumerate(logits)]
    hits = sum(int((scores.argmax(-1) == targets[:, i]).sum()) for i, scores in enumerate(logits))
    return torch.stack(losses).mean(), hits


def _with_dropout(tokenizer: Tokenizer) -> Tokenizer:
    """A copy that now and then spells a word in smaller pieces, so that unseen and misspelt words read better."""
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.model.dropout = BPE_DROPOUT
    return copy
