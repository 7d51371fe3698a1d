"""The network once more, slow and plain: one sample, one modality, one head at a time, in float32.

Written from specs/model.md 1.3-1.9 to be read beside them, and sharing no arithmetic with transformer.py. Tests hold the
Transformer equal to it; `happyhorse bench forward` holds it to be no slower. Nothing else uses it.

Axes: n packed rows, d model width, c token channels, k head width, j rotated pairs.
"""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from happyhorse.model.config import ModelConfig
from happyhorse.model.pack import Latents, PackedSequence
from happyhorse.shapes import LatentShape

Weights = Mapping[str, Tensor]


def reference_forward(config: ModelConfig, weights: Weights, sequence: PackedSequence) -> Latents:
    """Return what Transformer(config) with these weights returns. `weights` is its state dict."""
    weights = {name: tensor.float() for name, tensor in weights.items()}
    samples = [_forward_one(config, weights, sequence, b) for b in range(sequence.audio.shape[0])]
    return Latents(torch.stack([s.video for s in samples]), torch.stack([s.audio for s in samples]))


def window_mask(grid: LatentShape, *, num_rows: int, window: int) -> Bool[Tensor, "n n"]:
    """Return which row (first axis) sees which in a windowed layer: video rows see near frames, all else sees all."""
    frame = torch.arange(grid.num_tokens) // max(1, grid.tokens_per_frame)
    mask = torch.ones(num_rows, num_rows, dtype=torch.bool)
    mask[: grid.num_tokens, : grid.num_tokens] = (frame[:, None] - frame[None]).abs() <= window
    return mask


def _forward_one(config: ModelConfig, weights: Weights, sequence: PackedSequence, b: int) -> Latents:
    rows = _embed(weights, sequence, b)
    positions = sequence.positions[b if len(sequence.positions) > 1 else 0]
    num_video, num_audio, num_text = sequence.sizes
    modality = [0] * num_video + [1] * num_audio + [2] * num_text
    mask = window_mask(sequence.grid, num_rows=len(rows), window=config.frame_receptive_field)
    for i in range(config.num_layers):
        layer = {
            k.removeprefix(f"block.layers.{i}."): v
            for k, v in weights.items()
            if k.startswith(f"block.layers.{i}.")
        }
        thirds = modality if i in config.modality_layers else None
        seen = mask if i in config.windowed_layers else torch.ones_like(mask)
        rows = rows + _attention(config, layer, rows, positions=positions, thirds=thirds, seen=seen)
        rows = rows + _mlp(layer, rows, thirds=thirds, is_gelu=i in config.gelu7_layers)
    targets = _norm(rows[: sequence.grid.num_tokens], weights["final_norm_video.weight"])
    video = targets @ weights["final_linear_video.weight"].T
    sound = _norm(rows[num_video : num_video + num_audio], weights["final_norm_audio.weight"])
    audio = sound @ weights["final_linear_audio.weight"].T
    if sequence.first_frame is not None:
        kept = _channels_last(sequence.first_frame[b]).repeat(sequence.grid.frames, 1)
        video = video + (_linear(targets, weights["keep_video.weight"]) + weights["keep_video.bias"]) * kept
    if config.predicts_clean:
        noisy = _channels_last(sequence.video[b, : sequence.grid.num_tokens])
        video = _scale(weights, "video", targets) * (noisy - video)
        audio = _scale(weights, "audio", sound) * (sequence.audio[b] - audio)
    return Latents(_to_grid(video, sequence.grid), audio)


def _channels_last(rows: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
    """Features in the order of output tokens."""
    return rows.unflatten(-1, (-1, 4)).transpose(1, 2).flatten(1)


def _scale(weights: Weights, name: str, rows: Float[Tensor, "n d"]) -> Float[Tensor, "n 1"]:
    return torch.exp(
        torch.minimum(
            rows @ weights[f"scale_{name}.weight"].T + weights[f"scale_{name}.bias"], torch.tensor(4.0)
        )
    )


def _embed(weights: Weights, sequence: PackedSequence, b: int) -> Float[Tensor, "n d"]:
    parts = []
    for name, tokens in (
        ("video", sequence.video[b]),
        ("audio", sequence.audio[b]),
        ("text", sequence.text[b]),
    ):
        parts.append(
            tokens @ weights[f"adapter.{name}_embedder.weight"].T + weights[f"adapter.{name}_embedder.bias"]
        )
    if sequence.roles is not None:
        parts[0] = parts[0] + weights["adapter.role_embedder.weight"][sequence.roles]
    if sequence.first_frame is not None:
        given = sequence.first_frame[b] @ weights["adapter.first_frame_embedder.weight"].T
        parts[0][: sequence.grid.num_tokens] += given.repeat(sequence.grid.frames, 1)
    if sequence.phonemes is not None:
        durations = (
            sequence.phonemes.log_durations[b][:, None] @ weights["adapter.duration_embedder.weight"].T
        )
        sounds = weights["adapter.phoneme_embedder.weight"][sequence.phonemes.ids[b]]
        parts.append(sounds + durations + weights["adapter.duration_embedder.bias"])
    return torch.cat(parts)


def _attention(
    config: ModelConfig,
    layer: Weights,
    rows: Float[Tensor, "n d"],
    *,
    positions: Float[Tensor, "n 3"],
    thirds: list[int] | None,
    seen: Bool[Tensor, "n n"],
) -> Float[Tensor, "n d"]:
    width, heads, kv_heads = config.head_dim, config.num_heads, config.num_kv_heads
    normed = _by_modality(rows, layer["attention.pre_norm.weight"], thirds, _norm)
    projected = _by_modality(normed, layer["attention.linear_qkv.weight"], thirds, _linear)
    k_start, v_start = heads * width, (heads + kv_heads) * width
    gate_start = (heads + 2 * kv_heads) * width
    outputs = []
    for head in range(heads):
        kv = head // (heads // kv_heads)
        q = projected[:, head * width : (head + 1) * width]
        k = projected[:, k_start + kv * width : k_start + (kv + 1) * width]
        v = projected[:, v_start + kv * width : v_start + (kv + 1) * width]
        q = _turn(
            _by_modality(q, layer["attention.q_norm.weight"], thirds, _norm), positions, config.rope_theta
        )
        k = _turn(
            _by_modality(k, layer["attention.k_norm.weight"], thirds, _norm), positions, config.rope_theta
        )
        scores = (q @ k.T / width**0.5).masked_fill(~seen, -torch.inf)
        mixed = torch.softmax(scores, dim=-1) @ v
        outputs.append(mixed * torch.sigmoid(projected[:, gate_start + head])[:, None])
    return _by_modality(torch.cat(outputs, dim=-1), layer["attention.linear_proj.weight"], thirds, _linear)


def _mlp(
    layer: Weights, rows: Float[Tensor, "n d"], *, thirds: list[int] | None, is_gelu: bool
) -> Float[Tensor, "n d"]:
    up = _by_modality(
        _by_modality(rows, layer["mlp.pre_norm.weight"], thirds, _norm),
        layer["mlp.up_gate_proj.weight"],
        thirds,
        _linear,
    )
    gate = torch.clamp(up if is_gelu else up[:, 0::2], max=7)
    inner = gate * torch.sigmoid(1.702 * gate)
    if not is_gelu:
        inner = inner * (torch.clamp(up[:, 1::2], -7, 7) + 1)
    return _by_modality(inner, layer["mlp.down_proj.weight"], thirds, _linear)


def _by_modality(
    rows: Float[Tensor, "n _"],
    weight: Tensor,
    thirds: list[int] | None,
    apply: Callable[[Tensor, Tensor], Tensor],
) -> Float[Tensor, "n _"]:
    """Apply a weight to every row; in a modality layer, the third that belongs to the row's modality."""
    if thirds is None:
        return apply(rows, weight)
    blocks = weight.chunk(3)
    parts = [
        apply(rows[[i for i, m in enumerate(thirds) if m == modality]], blocks[modality])
        for modality in range(3)
    ]
    return torch.cat(parts)


def _linear(rows: Float[Tensor, "n a"], weight: Float[Tensor, "b a"]) -> Float[Tensor, "n b"]:
    return rows @ weight.T


def _norm(rows: Float[Tensor, "n c"], weight: Float[Tensor, " c"]) -> Float[Tensor, "n c"]:
    return rows / torch.sqrt((rows**2).mean(dim=-1, keepdim=True) + 1e-6) * (1 + weight)


def _turn(rows: Float[Tensor, "n k"], positions: Float[Tensor, "n 3"], theta: float) -> Float[Tensor, "n k"]:
    """Rotate pairs (j, j + 3 bands) by position times frequency: t bands first, then y, then x."""
    bands = rows.shape[1] // 8
    turned = rows.clone()
    for axis in range(3):
        for band in range(bands):
            j = axis * bands + band
            angle = positions[:, axis] * theta ** (-band / bands)
            first, second = rows[:, j], rows[:, j + 3 * bands]
            turned[:, j] = first * torch.cos(angle) - second * torch.sin(angle)
            turned[:, j + 3 * bands] = second * torch.cos(angle) + first * torch.sin(angle)
    return turned


def _to_grid(rows: Float[Tensor, "n c"], grid: LatentShape) -> Float[Tensor, "c2 t h w"]:
    """Unpack rows frame by frame; inside a row, the four latents of a token follow each other, channels last."""
    channels = rows.shape[1] // 4
    latent = torch.zeros(channels, grid.frames, grid.height, grid.width)
    across = grid.width // 2
    for index, row in enumerate(rows):
        frame, within = divmod(index, max(1, grid.tokens_per_frame))
        y, x = divmod(within, max(1, across))
        for dy in range(2):
            for dx in range(2):
                start = (dy * 2 + dx) * channels
                latent[:, frame, 2 * y + dy, 2 * x + dx] = row[start : start + channels]
    return latent
