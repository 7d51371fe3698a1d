"""The single-stream transformer: one sequence of video, audio and text rows in, a velocity for video and audio out.

Axes: b batch, n packed rows, d model width, h heads, hk key heads, k head width, r rotary angles, c token channels.
Rows are ordered [video | audio | text]; `sizes` are their counts. There is no timestep input of any kind.

Precision (specs/model.md 1.7): residual, norms, rotation, activations, adapter and heads in float32; linears and
attention in the dtype their weights are stored in, or in autocast's. So a float32 model computes in float32 throughout.
Module names are those of the published checkpoints. Source: specs/model.md 1.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from happyhorse.model.config import ModelConfig
from happyhorse.model.pack import Latents, PackedSequence, as_output, unpack
from happyhorse.model.parallel import Mix, Ranks, RowSplit
from happyhorse.model.rope import RotaryBands, rotate
from happyhorse.shapes import LatentShape

NUM_MODALITIES = 3
NORM_EPS = 1e-6
GELU7_SLOPE = 1.702
CLAMP = 7.0
MAX_LOG_SCALE = 4.0
SCORES_IN_CACHE = 2**23
KERNEL_ALIGNMENT = 16
"""Bytes that GPU kernels of attention copy at a time: each row must begin at a multiple."""

Sizes = tuple[int, int, int]


@dataclass(frozen=True)
class Geometry:
    """What every layer needs to know about the sequence, computed once per forward.

    `split` is for a forward over several processes; then sizes, sin and cos are those of this process's rows.
    """

    sizes: Sizes
    grid: LatentShape
    sin: Float[Tensor, "#b n k"]
    cos: Float[Tensor, "#b n k"]
    split: RowSplit | None = None


class Transformer(nn.Module):
    """Every size of the model; the ModelConfig says which. Weights start as `init_weights` has them.

    With `ranks`, each of these processes calls it with the same sequence, and each gets the whole velocity. `recorded` lets the
    passes of a clip be replayed (`graphs.py`). `note` says what of its arithmetic is not as it was trained, in words.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.ranks: Ranks | None = None
        self.recorded = False
        self.note = ""
        self.adapter = Adapter(config)
        self.block = Block(config)
        self.final_norm_video = RMSNorm(config.hidden)
        self.final_norm_audio = RMSNorm(config.hidden)
        self.final_linear_video = nn.Linear(config.hidden, config.video_channels, bias=False)
        self.final_linear_audio = nn.Linear(config.hidden, config.audio_channels, bias=False)
        if config.predicts_clean:
            self.scale_video = nn.Linear(config.hidden, 1)
            self.scale_audio = nn.Linear(config.hidden, 1)
        if config.keeps_first_frame:
            self.keep_video = nn.Linear(config.hidden, 1)
        init_weights(self)

    def forward(self, sequence: PackedSequence) -> Latents:
        """Return the velocity (noise - clean) of the target video (b c t h w) and of the audio (b a c), in float32."""
        device = sequence.video.device
        with _without_autocast(device):
            rows = self.adapter(sequence)  # (b, n, d)
            sin, cos = self.adapter.rope(sequence.positions)
        geometry = Geometry(sequence.sizes, sequence.grid, sin, cos)
        rows = (
            self.block(rows, geometry) if self.ranks is None else self._in_shares(rows, geometry, self.ranks)
        )
        num_video, num_audio, _ = sequence.sizes
        with _without_autocast(device):
            targets = self.final_norm_video(rows[:, : sequence.grid.num_tokens])
            video = self.final_linear_video(targets)  # (b, v, c)
            sound = self.final_norm_audio(rows[:, num_video : num_video + num_audio])
            audio = self.final_linear_audio(sound)  # (b, a, c)
            if sequence.first_frame is not None:
                video = video + self.keep_video(targets) * as_output(over_frames(sequence))
            if self.config.predicts_clean:
                noisy = as_output(sequence.video[:, : sequence.grid.num_tokens].float())
                video = velocity_of(noisy, video, self.scale_video(targets))
                audio = velocity_of(sequence.audio.float(), audio, self.scale_audio(sound))
        return unpack(video, audio, grid=sequence.grid)

    def _in_shares(
        self, rows: Float[Tensor, "b n d"], geometry: Geometry, ranks: Ranks
    ) -> Float[Tensor, "b n d"]:
        """The blocks, each process with its share of the rows."""
        split = RowSplit(ranks.rank, ranks.count, geometry.sizes)
        sin, cos = split.share(geometry.sin), split.share(geometry.cos)
        own = replace(geometry, sizes=split.sizes, sin=sin, cos=cos, split=split)
        return split.gather(self.block(split.share(rows), own))


def velocity_of(
    noisy: Float[Tensor, "b n c"], clean: Float[Tensor, "b n c"], log_scale: Float[Tensor, "b n 1"]
) -> Float[Tensor, "b n c"]:
    """Turn a prediction of the clean token into a velocity: (noisy - clean) / sigma, with ln(1 / sigma) as the network sees it.

    A token of nano is as wide as the model, so a network that says the velocity itself has to carry all of the noise through;
    clean tokens are few-dimensional. Source: Li and He, Back to basics, arXiv:2511.13720; there sigma is given, here it is read.
    """
    return log_scale.clamp(max=MAX_LOG_SCALE).exp() * (noisy - clean)


def over_frames(sequence: PackedSequence) -> Float[Tensor, "b n c"]:
    """Return for every target token the token of the first frame at its place: what does not move need not be said again."""
    assert sequence.first_frame is not None
    return sequence.first_frame.float().repeat(1, sequence.grid.frames, 1)


class Adapter(nn.Module):
    """Bring each modality to the model's width. No type embedding: modalities differ by their linear layer."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.video_embedder = nn.Linear(config.video_channels, config.hidden)
        self.audio_embedder = nn.Linear(config.audio_channels, config.hidden)
        self.text_embedder = nn.Linear(config.text_channels, config.hidden)
        self.rope = RotaryBands(config.head_dim, theta=config.rope_theta)
        if config.num_roles:
            self.role_embedder = nn.Embedding(config.num_roles, config.hidden)
        if config.num_phonemes:
            self.phoneme_embedder = nn.Embedding(config.num_phonemes, config.hidden)
            self.duration_embedder = nn.Linear(1, config.hidden)
        if config.keeps_first_frame:
            self.first_frame_embedder = nn.Linear(config.video_channels, config.hidden, bias=False)

    def forward(self, sequence: PackedSequence) -> Float[Tensor, "b n d"]:
        video = self.video_embedder(sequence.video.float())
        if sequence.roles is not None:
            video = video + self.role_embedder(sequence.roles)
        if sequence.first_frame is not None:
            given = self.first_frame_embedder(over_frames(sequence))
            video = torch.cat([video[:, : given.shape[1]] + given, video[:, given.shape[1] :]], dim=1)
        rows = [video, self.audio_embedder(sequence.audio.float()), self.text_embedder(sequence.text.float())]
        if sequence.phonemes is not None:
            durations = self.duration_embedder(sequence.phonemes.log_durations.float()[..., None])
            rows.append(self.phoneme_embedder(sequence.phonemes.ids) + durations)
        return torch.cat(rows, dim=1)


class Block(nn.Module):
    """All layers in order; a level of its own only because published keys begin with `block.layers`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(config, index) for index in range(config.num_layers))

    def forward(self, rows: Float[Tensor, "b n d"], geometry: Geometry) -> Float[Tensor, "b n d"]:
        for layer in self.layers:
            rows = layer(rows, geometry)
        return rows


class Layer(nn.Module):
    """Attention, then MLP, each added to the float32 residual."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        self.attention = Attention(config, index)
        self.mlp = MLP(config, index)

    def forward(self, rows: Float[Tensor, "b n d"], geometry: Geometry) -> Float[Tensor, "b n d"]:
        rows = rows + self.attention(rows, geometry)
        return rows + self.mlp(rows, geometry.sizes)


class Attention(nn.Module):
    """Gated grouped-query attention over the whole sequence, or over a window of frames."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        groups = NUM_MODALITIES if index in config.modality_layers else 1
        width = config.num_heads * config.head_dim
        kv_width = config.num_kv_heads * config.head_dim
        self.head_dim = config.head_dim
        self.parts = [width, kv_width, kv_width, config.num_heads]
        self.window = config.frame_receptive_field if index in config.windowed_layers else None
        self.attend_windowed: Callable[..., Tensor] = attend_windowed
        self.pre_norm = RMSNorm(config.hidden, groups=groups)
        self.linear_qkv = GroupedLinear(config.hidden, sum(self.parts), groups=groups)
        self.linear_proj = GroupedLinear(width, config.hidden, groups=groups)
        self.q_norm = RMSNorm(config.head_dim, groups=groups)
        self.k_norm = RMSNorm(config.head_dim, groups=groups)

    def forward(self, rows: Float[Tensor, "b n d"], geometry: Geometry) -> Float[Tensor, "b n d"]:
        q, k, v, gate = self.project(rows, geometry.sizes, geometry.sin, geometry.cos)
        return self.merge(self.mix(q, k, v, geometry), gate, geometry.sizes)

    def project(
        self,
        rows: Float[Tensor, "b n d"],
        sizes: Sizes,
        sin: Float[Tensor, "#b n r"],
        cos: Float[Tensor, "#b n r"],
    ) -> tuple[
        Float[Tensor, "b h n k"], Float[Tensor, "b hk n k"], Float[Tensor, "b hk n k"], Float[Tensor, "b n h"]
    ]:
        """Return queries, keys, values and gates."""
        projected = self.linear_qkv(self.pre_norm(rows, sizes), sizes)
        dtype = projected.dtype
        q, k, v, gate = projected.split(self.parts, dim=-1)
        q, k, v = (x.unflatten(-1, (-1, self.head_dim)) for x in (q, k, v))  # (b, n, h, k)
        q = rotate(self.q_norm(q.float(), sizes), sin, cos).to(dtype)
        k = rotate(self.k_norm(k.float(), sizes), sin, cos).to(dtype)
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # (b, h, n, k)
        return q, k, v, gate

    def mix(
        self,
        q: Float[Tensor, "b h n k"],
        k: Float[Tensor, "b hk n k"],
        v: Float[Tensor, "b hk n k"],
        geometry: Geometry,
    ) -> Float[Tensor, "b h n k"]:
        """Let rows see each other, of all processes."""
        mix: Mix = attend
        if self.window is not None:
            mix = partial(self.attend_windowed, grid=geometry.grid, window=self.window)
        return mix(q, k, v) if geometry.split is None else geometry.split.mix(q, k, v, mix)

    def merge(
        self, mixed: Float[Tensor, "b h n k"], gate: Float[Tensor, "b n h"], sizes: Sizes
    ) -> Float[Tensor, "b n d"]:
        """Bring the heads, each as far as its gate is open, back to the model's width."""
        mixed = mixed.transpose(1, 2)  # (b, n, h, k)
        gated = (mixed * gate.float().sigmoid()[..., None]).to(gate.dtype)
        return self.linear_proj(gated.flatten(-2), sizes)


class MLP(nn.Module):
    """Up, activation, down."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        groups = NUM_MODALITIES if index in config.modality_layers else 1
        gated = index not in config.gelu7_layers
        width = config.mlp_width(index)
        self.activation: Callable[[Tensor], Tensor] = swiglu7 if gated else gelu7
        self.pre_norm = RMSNorm(config.hidden, groups=groups)
        self.up_gate_proj = GroupedLinear(config.hidden, width * 2 if gated else width, groups=groups)
        self.down_proj = GroupedLinear(width, config.hidden, groups=groups)

    def forward(self, rows: Float[Tensor, "b n d"], sizes: Sizes) -> Float[Tensor, "b n d"]:
        up = self.up_gate_proj(self.pre_norm(rows, sizes), sizes)
        # Autocast is for training, where halving the memory traffic of this, the widest tensor, is worth a rounding.
        wide = up if _autocast_is_on(up.device) else up.float()
        return self.down_proj(self.activation(wide).to(up.dtype), sizes)


class RMSNorm(nn.Module):
    """Root-mean-square norm in float32; weights are stored around zero. One block of weights, or one per modality."""

    def __init__(self, width: int, *, groups: int = 1) -> None:
        super().__init__()
        self.groups = groups
        self.width = width
        self.weight = nn.Parameter(torch.empty(groups * width))

    def forward(
        self, x: Float[Tensor, "b n *heads c"], sizes: Sizes | None = None
    ) -> Float[Tensor, "b n *heads c"]:
        scale = 1 + self.weight.float()
        if self.groups == 1:
            return F.rms_norm(x, (self.width,), scale, NORM_EPS)
        assert sizes is not None
        parts = zip(x.split(sizes, dim=1), scale.chunk(self.groups), strict=True)
        return torch.cat([F.rms_norm(part, (self.width,), s, NORM_EPS) for part, s in parts], dim=1)


class GroupedLinear(nn.Module):
    """A linear layer without bias; with three groups, each modality has its own block of rows of the weight."""

    def __init__(self, width_in: int, width_out: int, *, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(groups * width_out, width_in))

    def forward(self, x: Float[Tensor, "b n c_in"], sizes: Sizes) -> Float[Tensor, "b n c_out"]:
        x = x.to(self.weight.dtype)
        if self.groups == 1:
            return F.linear(x, self.weight)
        parts = zip(x.split(sizes, dim=1), self.weight.chunk(self.groups), strict=True)
        return torch.cat([F.linear(part, weight) for part, weight in parts], dim=1)


def attend(
    q: Float[Tensor, "b h n k"], k: Float[Tensor, "b hk m k"], v: Float[Tensor, "b hk m k"]
) -> Float[Tensor, "b h n k"]:
    """Softmax attention, no mask, scale 1 / sqrt(k); query head i uses key head i // (h / hk).

    For bf16 on a CPU plain products are two to four times as fast as the fused kernel, forward and backward, while the
    scores stay in cache (torch 2.13, two cores: 64 x 61 rows 6 against 24 ms, 1 x 1101 rows 11 against 26 ms). Outside
    autocast, where the published policy is asked for, they keep float32 scores: that reproduces its numbers exactly.
    """
    scores_per_sample = q.shape[1] * q.shape[2] * k.shape[2]
    if q.device.type != "cpu" or q.dtype != torch.bfloat16 or scores_per_sample > SCORES_IN_CACHE:
        if any(step * v.element_size() % KERNEL_ALIGNMENT for step in v.stride()[:-1]):
            v = v.contiguous()  # a view of the projected rows, which in small networks begin anywhere
        return F.scaled_dot_product_attention(q, k, v, enable_gqa=q.shape[1] != k.shape[1])
    if not _autocast_is_on(q.device):
        return attend_plainly(q.float(), k.float(), v.float()).to(q.dtype)
    samples = max(1, SCORES_IN_CACHE // max(1, scores_per_sample))
    parts = zip(q.split(samples), k.split(samples), v.split(samples), strict=True)
    return torch.cat([attend_plainly(*part) for part in parts])


def attend_plainly(
    q: Float[Tensor, "b h n k"], k: Float[Tensor, "b hk m k"], v: Float[Tensor, "b hk m k"]
) -> Float[Tensor, "b h n k"]:
    """The same as two matrix products and a softmax."""
    repeats = q.shape[1] // k.shape[1]
    if repeats > 1:
        k, v = (x.repeat_interleave(repeats, dim=1) for x in (k, v))
    return (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(dim=-1) @ v


def attend_windowed(
    q: Float[Tensor, "b h n k"],
    k: Float[Tensor, "b hk n k"],
    v: Float[Tensor, "b hk n k"],
    *,
    grid: LatentShape,
    window: int,
) -> Float[Tensor, "b h n k"]:
    """Attention in which a video row of frame f sees video frames f - window ... f + window and every other row.

    One softmax covers that union. Frames are contiguous rows, so each is one unmasked call over a slice of the keys
    and no n x n mask exists. Source: specs/model.md 1.9.
    """
    num_video, step = grid.num_tokens, grid.tokens_per_frame
    mixed = []
    for frame in range(grid.frames):
        seen = slice(max(0, frame - window) * step, min(grid.frames, frame + window + 1) * step)
        near_k, near_v = (torch.cat([x[:, :, seen], x[:, :, num_video:]], dim=2) for x in (k, v))
        mixed.append(attend(q[:, :, frame * step : (frame + 1) * step], near_k, near_v))
    mixed.append(attend(q[:, :, num_video:], k, v))
    return torch.cat(mixed, dim=2)


def gelu7(x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
    """Sigmoid approximation of GELU, clamped from above at 7: x * sigmoid(1.702 x), by way of the fused silu."""
    return F.silu(GELU7_SLOPE * x.clamp(max=CLAMP)) / GELU7_SLOPE


def swiglu7(x: Float[Tensor, "b n c2"]) -> Float[Tensor, "b n c"]:
    """Gated unit: even channels are the gate, odd ones the linear part, shifted by one. Both clamped at 7."""
    gate, linear = x.unflatten(-1, (-1, 2)).unbind(-1)
    gate = gelu7(gate)
    return torch.addcmul(gate, gate, linear.clamp(-CLAMP, CLAMP))


def init_weights(model: Transformer) -> None:
    """Draw starting weights: fan-in normal; norms, block outputs and heads zero.

    Zero outputs make every block the identity and the first velocity zero, so early steps train the heads on embedded
    inputs instead of undoing random layers. Uses torch's global generator; a no-op on the meta device.
    """
    for name, parameter in model.named_parameters():
        zero = ("norm.weight", "bias", "linear_proj.weight", "down_proj.weight")
        if name.endswith(zero) or name.startswith(("final_", "scale_", "keep_")):
            nn.init.zeros_(parameter)
        elif name.endswith(("role_embedder.weight", "phoneme_embedder.weight")):
            nn.init.normal_(parameter, std=0.5)
        else:
            nn.init.normal_(parameter, std=1 / math.sqrt(parameter.shape[1]))


def cast_block_linears(model: Transformer, dtype: torch.dtype) -> None:
    """Store the matrices of the blocks in `dtype`; everything else stays float32, as published."""
    for module in model.block.modules():
        if isinstance(module, GroupedLinear):
            module.to(dtype)


def _autocast_is_on(device: torch.device) -> bool:
    return torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)


def _without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Keep what follows in float32. The meta device knows no autocast."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
