"""A random 15 B release of a few thousand values: the real classes, the real stages, seconds on a CPU."""

from dataclasses import replace

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast
from transformers.models.t5gemma import T5GemmaConfig, T5GemmaEncoderModel, T5GemmaModuleConfig

from happyhorse.engines.catalog_magihuman import MAGIHUMAN, MAGIHUMAN_BASE
from happyhorse.engines.magihuman import MagiHumanEngine, Release
from happyhorse.model.config import ModelConfig
from happyhorse.model.oobleck import Oobleck, OobleckConfig
from happyhorse.model.parts import Parts
from happyhorse.model.release import networks_of
from happyhorse.model.t5gemma import PromptEncoder
from happyhorse.model.transformer import Transformer
from happyhorse.model.turbo_vae import TurboVae, TurboVaeConfig
from happyhorse.model.wan_vae import WanVae, WanVaeConfig

CONFIG = ModelConfig(
    num_layers=4,
    hidden=32,
    head_dim=16,
    num_heads=2,
    num_kv_heads=1,
    video_channels=192,
    audio_channels=64,
    text_channels=16,
    modality_layers=(0, 3),
    gelu7_layers=(0,),
)
PICTURES = WanVaeConfig(4, 4, num_res_blocks=1)
SOUND = OobleckConfig(width=2, multiples=(1, 1, 1, 1, 1))
SIZES = {"16:9": (32, 32)}
_LARGER = {"16:9": (64, 32)}
REFINEMENTS = {
    name: replace(second, sizes=_LARGER, num_steps=2) for name, second in MAGIHUMAN.refinements.items()
}
DISTILLED = replace(MAGIHUMAN, base_sizes=SIZES, refinements=REFINEMENTS, text_tokens=64)
GUIDED = replace(MAGIHUMAN_BASE, base_sizes=SIZES, refinements=REFINEMENTS, text_tokens=64, num_steps=3)


EVERY_PART = frozenset(
    {"distill", "base", "540p_sr", "1080p_sr", "text_encoder", "wan_vae", "turbo_vae", "audio_vae"}
)


def tiny_engine(folder, capabilities=DISTILLED, *, kept=EVERY_PART):
    """An engine whose text encoder is read from `folder`, where this writes one of the real class."""
    write_text_encoder(folder)
    networks = networks_of(CONFIG)
    loaders = {name: (lambda n=name: random_network(networks[n].config, n)) for name in networks}
    loaders |= {
        "text_encoder": lambda: PromptEncoder.load(folder, dtype=torch.float32),
        "wan_vae": tiny_wan_vae,
        "turbo_vae": tiny_turbo_vae,
        "audio_vae": tiny_audio_vae,
    }
    parts = Parts(loaders, kept=kept)
    release = Release(networks, lambda _plan, *, failed=None: parts, "+".join, torch.device("cpu"))
    return MagiHumanEngine(capabilities, release)


def tiny_wan_vae():
    return seeded(lambda: WanVae(PICTURES))


def tiny_turbo_vae():
    return seeded(lambda: TurboVae(TurboVaeConfig(widths=(8, 6, 6, 4))))


def tiny_audio_vae():
    return noisy(seeded(lambda: Oobleck(SOUND)))


def seeded(make, seed=0):
    torch.manual_seed(seed)
    return make().eval()


def noisy(codec):
    """Nothing of a fresh codec's is zero."""
    for parameter in codec.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return codec


def random_network(config, name):
    model = seeded(lambda: Transformer(config), seed=len(name))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3 if parameter.ndim == 1 else parameter.shape[-1] ** -0.5)
    return model


def write_text_encoder(folder):
    words = ["[UNK]", "<bos>", "woman", "kitchen", "rain", "blurry", "static", ",", "."]
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]").save_pretrained(folder)
    sizes = {
        "vocab_size": 16,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "head_dim": 8,
    }
    module = T5GemmaModuleConfig(**sizes, num_attention_heads=2, num_key_value_heads=1)
    config = T5GemmaConfig(encoder=module, decoder=module, is_encoder_decoder=False)
    seeded(lambda: T5GemmaEncoderModel(config)).save_pretrained(folder)
