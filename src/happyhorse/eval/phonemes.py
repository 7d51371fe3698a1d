# ruff: noqa: RUF001 - phonetic letters look like others on purpose
"""An instrument: which phonemes does this sound hold, if somebody speaks this language? It learns from the world only, never from nano's output.

It hears 160 ms to either side of each 20 ms, so it knows sounds and not words. It answers by connectionist temporal
classification: known times are not needed and a sequence comes out, where single frames would have to be joined by rules.

Axes: b batch, s samples, k hops of 10 ms, m mel bands, t frames of 20 ms, p phonemes, d width.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from einops import rearrange
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from happyhorse.model.audio_vae import AudioVaeConfig, framed_stft, mel_filters
from happyhorse.model.checkpoint import fill

HOP, WINDOW = 480, 1200
FRAMES_A_SECOND = 50
BANDS = replace(AudioVaeConfig(), num_mels=80, window=WINDOW, low_hz=60.0, high_hz=10_000.0)
FLOOR = 1e-9
"""Mel power under which all is silence; a full-scale sine is near 1."""
WIDTH, BLOCKS, KERNEL = 256, 3, 5

BLANK = 0
_OF = {
    "en": "p b t d k ɡ tʃ dʒ f v θ ð s z ʃ ʒ h m n ŋ l ɹ j w i ɪ ɛ æ ɑ ɔ ʊ u ʌ ə ɚ aɪ aʊ eɪ oʊ ɔɪ",
    "de": "p b t d k ɡ pf ts f v s z ʃ ç x h m n ŋ l ɾ j i ɪ e ɛ a ɔ o ʊ u ə ɐ y ʏ ø œ aɪ aʊ ɔɪ",
    "fr": "p b t d k ɡ f v s z ʃ ʒ m n ɲ l ʁ j w ɥ i e ɛ a o ɔ u y ø œ ə ɑ̃ ɛ̃ ɔ̃",
    "ja": "p b t d k ɡ ts tɕ dʑ s z ɕ ɸ ç h m n ɴ ɽ j w i e a o ɯ",
    "ko": "p pʰ p͈ b t t͈ d kʰ k͈ ɡ tɕ tɕʰ dʑ s s͈ h m n ŋ l j w i e a ʌ o u ɯ",
    "zh": (
        "p pʰ t tʰ k kʰ ts tsʰ ʈʂ ʈʂʰ tɕ tɕʰ f s ʂ ʐ ɕ x m n ŋ l j w i a ɑ ə o u y ɿ ʅ ɚ aɪ aʊ eɪ oʊ ia iɛ ioʊ ua uo uaɪ "
        "ueɪ uə yɛ yæ yə ʊŋ ˥ ˧˥ ˨˩˦ ˥˩ ˩"
    ),
    "yue": (
        "p pʰ t tʰ k kʰ ts tsʰ f s h m n ŋ l j w i ɐ aː ɛ ɔ œ u y ɵ ɐɪ ɐʊ aːɪ aːʊ eɪ oʊ iʊ uɪ ɔɪ ɵy ɪŋ ʊŋ œŋ ɔŋ ɐŋ ɛŋ aŋ "
        "˥ ˧˥ ˧ ˨˩ ˩˧ ˨"
    ),
}
PHONEMES_OF = {language: tuple(symbols.split()) for language, symbols in _OF.items()}
"""Of each language, as far as its sounds tell words apart, tones among them, each after its vowel; what two accents say differently in one word is one phoneme."""
PHONEMES = tuple(dict.fromkeys(symbol for symbols in PHONEMES_OF.values() for symbol in symbols))
_FOLDED = {
    "en": {
        "ɾ": "t", "ʔ": "t", "l̩": "l", "ɫ": "l", "n̩": "n", "m̩": "m", "r": "ɹ", "ʍ": "w", "x": "k", "e": "ɛ", "a": "æ", "ɒ": "ɑ",
        "o": "ɔ", "ɐ": "ə", "ɝ": "ɚ", "ɜ": "ɚ", "əʊ": "oʊ", "ɪə": "i ə", "iə": "i ə", "eə": "ɛ ə", "ʊə": "ʊ ə", "aɪə": "aɪ ə",
        "aʊə": "aʊ ə", "aɪɚ": "aɪ ɚ", "ɑɹ": "ɑ ɹ", "ɔɹ": "ɔ ɹ", "ɪɹ": "ɪ ɹ", "ɛɹ": "ɛ ɹ", "ʊɹ": "ʊ ɹ",
    },
    "de": {"r": "ɾ", "ʁ": "ɾ", "ɑ": "a", "l̩": "l", "n̩": "n"},
    "fr": {"ɑ": "a", "œ̃": "ɛ̃", "ŋ": "n"},
    "ja": {"ŋ": "ɴ", "ɲ": "n", "ɾ": "ɽ", "ʑ": "dʑ", "dz": "z", "ʃ": "ɕ"},
    "zh": {"˨˩": "˨˩˦"},
    "yue": {},
    "ko": {"ɫ": "l", "ɾ": "l", "tʃ": "tɕʰ", "ɛ": "e", "ɕ": "s"},
}  # fmt: skip


def folded(symbols: Iterable[str], language: str = "en") -> tuple[str, ...]:
    """Return the phonemes of a language for symbols of the speech table; silence and what the language lacks are left out."""
    parts = (part for symbol in symbols for part in _FOLDED[language].get(symbol, symbol).split())
    return tuple(part for part in parts if part in PHONEMES_OF[language])


class Recogniser(nn.Module):
    """Log-mel -> a phoneme or blank for every 20 ms."""

    filters: Tensor
    hann: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", mel_filters(BANDS), persistent=False)
        self.register_buffer("hann", torch.hann_window(WINDOW), persistent=False)
        self.embed = nn.Conv1d(BANDS.num_mels, WIDTH, 6, stride=2, padding=2)
        self.blocks = nn.ModuleList(_Block() for _ in range(BLOCKS))
        self.norm = nn.LayerNorm(WIDTH)
        self.classes = nn.Linear(WIDTH, 1 + len(PHONEMES))

    def mel(self, waveform: Float[Tensor, "b s"]) -> Float[Tensor, "b k m"]:
        """Return log powers of the bands in nepers of amplitude, 100 a second."""
        whole = waveform[:, : waveform.shape[1] // (2 * HOP) * 2 * HOP]
        spectrum = framed_stft(whole.float(), window=self.hann, hop=HOP)
        power = (spectrum.abs() * (2 / self.hann.sum())).square()
        return 0.5 * torch.log(rearrange(self.filters @ power, "b m k -> b k m") + FLOOR)

    def forward(self, mel: Float[Tensor, "b k m"]) -> Float[Tensor, "b t p"]:
        """Return log probabilities of blank and phonemes."""
        x = self.embed(rearrange((mel + 6) / 2, "b k m -> b m k"))
        x = rearrange(x, "b d t -> b t d")
        for block in self.blocks:
            x = block(x)
        return self.classes(self.norm(x)).float().log_softmax(-1)

    @torch.inference_mode()
    def read(self, waveform: Float[Tensor, " s"], language: str = "en") -> tuple[str, ...]:
        """Return the phonemes of a sound at SAMPLE_RATE, in order: the language's likeliest of each frame, repeats collapsed."""
        other = torch.tensor([False, *(symbol not in PHONEMES_OF[language] for symbol in PHONEMES)])
        best = self(self.mel(waveform[None]))[0].masked_fill(other, -torch.inf).argmax(-1)
        return tuple(PHONEMES[i - 1] for i in torch.unique_consecutive(best).tolist() if i != BLANK)

    def save(self, path: Path) -> None:
        """Write the weights."""
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(self.state_dict(), path)

    @classmethod
    def load(cls, path: Path) -> "Recogniser":
        """Read what `save` wrote. Raises: WeightsMissing for a file of other phonemes."""
        recogniser = cls()
        fill(recogniser, load_file(path), origin=str(path))
        return recogniser.eval()


class _Block(nn.Module):
    """A look along time, then a mixer of channels, added to what was there."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.look = nn.Conv1d(WIDTH, WIDTH, KERNEL, padding=KERNEL // 2)
        self.mix = nn.Linear(WIDTH, WIDTH)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        seen = self.look(rearrange(self.norm(x), "b t d -> b d t"))
        return x + self.drop(self.mix(F.silu(rearrange(seen, "b d t -> b t d"))))
