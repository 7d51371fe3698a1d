"""The prompt encoder: the encoder half of a published model, its features as the network knows them, damage named."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

transformers = pytest.importorskip("transformers")
from transformers.models.t5gemma import (  # noqa: E402
    T5GemmaConfig,
    T5GemmaForConditionalGeneration,
    T5GemmaModuleConfig,
)

from happyhorse.errors import WeightsMissing  # noqa: E402
from happyhorse.model.t5gemma import MAX_ROWS, PromptEncoder  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Both halves, as published."""
    words = {word: number for number, word in enumerate(["[UNK]", "a", "b"])}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]").save_pretrained(
        tmp_path
    )
    sizes = {
        "vocab_size": 8,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "head_dim": 8,
    }
    module = T5GemmaModuleConfig(**sizes, num_attention_heads=2, num_key_value_heads=1)
    torch.manual_seed(0)
    config = T5GemmaConfig(encoder=module, decoder=module, vocab_size=8)
    T5GemmaForConditionalGeneration(config).save_pretrained(tmp_path)
    return tmp_path


def test_the_encoder_half_of_the_whole_model_is_read(folder: Path) -> None:
    encoder = PromptEncoder.load(folder, dtype=torch.float32)
    whole = T5GemmaForConditionalGeneration.from_pretrained(folder).eval()
    with torch.inference_mode():
        features = encoder.encode("a b a")
        expected = whole.get_encoder()(input_ids=torch.tensor([[1, 2, 1]])).last_hidden_state
    assert features.shape == (1, 3, 16)
    assert features.dtype == torch.float32
    assert torch.equal(features, expected.half().float())


def test_long_prompts_are_cut_after_they_were_read(folder: Path) -> None:
    encoder = PromptEncoder.load(folder, dtype=torch.float32)
    with torch.inference_mode():
        assert encoder.encode("a " * (MAX_ROWS + 10)).shape == (1, MAX_ROWS, 16)
    assert encoder.token_ends("a b  ab") == [1, 3, 7]
    assert len(encoder.token_ends("a " * (MAX_ROWS + 10))) == MAX_ROWS + 10


def test_values_that_are_not_finite_are_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    next(tensor for name, tensor in tensors.items() if "encoder.layers.1" in name).view(-1)[0] = torch.nan
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(WeightsMissing, match=r"gives features that are not finite; its weights are damaged"):
        PromptEncoder.load(folder, dtype=torch.float32).encode("a b a")


def test_damage_is_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    gone = next(name for name in tensors if "encoder.layers.1" in name)
    save_file(
        {name: tensor for name, tensor in tensors.items() if name != gone}, path, metadata={"format": "pt"}
    )
    with pytest.raises(WeightsMissing, match=r"lacks tensors of the text encoder, first .*layers\.1"):
        PromptEncoder.load(folder)
    save_file({**tensors, gone: torch.zeros(3, 3)}, path, metadata={"format": "pt"})
    with pytest.raises(
        WeightsMissing, match=r"layers\.1.* has the shape \(3, 3\); this model needs \(\d+,.*\)$"
    ):
        PromptEncoder.load(folder)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsMissing, match="holds no text encoder"):
        PromptEncoder.load(folder)
    with pytest.raises(WeightsMissing, match=r"nowhere lacks tokenizer\.json$"):
        PromptEncoder.load(folder / "nowhere")
