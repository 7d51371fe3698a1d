"""Small configs and inputs for the network, for hypothesis and for plain tests."""

from dataclasses import fields, replace

import torch
from hypothesis import strategies as st

from happyhorse.model.config import ModelConfig
from happyhorse.model.pack import PackedSequence, Phonemes, pack
from happyhorse.model.transformer import Transformer

TINY = ModelConfig(
    num_layers=3,
    hidden=24,
    head_dim=16,
    num_heads=2,
    num_kv_heads=1,
    video_channels=16,
    audio_channels=6,
    text_channels=10,
    modality_layers=(0,),
    gelu7_layers=(1,),
    rope_theta=100.0,
    time_scale=4.0,
    num_roles=4,
    num_phonemes=8,
)


@st.composite
def dimensions(draw: st.DrawFn) -> dict[str, object]:
    """Return what ModelConfig.from_dict reads."""
    layers = draw(st.integers(1, 3))
    some = st.lists(st.integers(0, layers - 1), unique=True)
    kv_heads = draw(st.integers(1, 2))
    with_additions = draw(st.booleans())
    return {
        "num_layers": layers,
        "hidden": draw(st.sampled_from([12, 20])),
        "head_dim": draw(st.sampled_from([8, 16, 20])),
        "num_heads": kv_heads * draw(st.integers(1, 3)),
        "num_kv_heads": kv_heads,
        "video_channels": draw(st.sampled_from([8, 16])),
        "audio_channels": draw(st.integers(1, 5)),
        "text_channels": draw(st.integers(1, 9)),
        "modality_layers": draw(some),
        "gelu7_layers": draw(some),
        "windowed_layers": draw(some),
        "frame_receptive_field": draw(st.integers(0, 2)),
        "coords_style": draw(st.sampled_from(["v1", "v2"])),
        "rope_theta": 100.0 if with_additions else 10000.0,
        "time_scale": 4.0 if with_additions else 1.0,
        "num_roles": 3 if with_additions else 0,
        "num_phonemes": 7 if with_additions else 0,
        "predicts_clean": with_additions,
        "keeps_first_frame": with_additions,
    }


def random_transformer(config: ModelConfig, *, seed: int = 0) -> Transformer:
    """Return a network none of whose weights is zero, unlike a fresh one."""
    torch.manual_seed(seed)
    model = Transformer(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3 if parameter.ndim == 1 else parameter.shape[-1] ** -0.5)
    return model.eval()


def random_sequence(
    config: ModelConfig, *, batch: int = 1, frames: int = 4, num_audio: int = 5, num_text: int = 3, conditions: bool = True, seed: int = 0
) -> PackedSequence:  # fmt: skip
    """Return noise and, where the config knows them, phonemes, a reference, a source and a first frame."""
    torch.manual_seed(seed)
    video = torch.randn(2, batch, config.latent_channels, frames, 4, 2)
    phonemes = Phonemes(
        torch.randint(0, max(1, config.num_phonemes), (batch, 4)),
        torch.rand(batch, 4) * frames,
        torch.randn(batch, 4),
    )
    return pack(
        config,
        video=video[0],
        audio=torch.randn(batch, num_audio, config.audio_channels),
        text=torch.randn(batch, num_text, config.text_channels),
        phonemes=phonemes if config.num_phonemes and conditions else None,
        references=[torch.randn(batch, config.latent_channels, 1, 2, 4)]
        if config.num_roles and conditions
        else [],
        source=video[1] if config.num_roles and conditions else None,
        first_frame=video[1][:, :, :1] if conditions else None,
    )


def on_device(sequence: PackedSequence, device: torch.device) -> PackedSequence:
    """Return a sequence without phonemes where a device can read it."""
    assert sequence.phonemes is None
    tensors = {field.name: getattr(sequence, field.name) for field in fields(sequence)}
    return replace(
        sequence,
        **{name: each.to(device) for name, each in tensors.items() if isinstance(each, torch.Tensor)},
    )
