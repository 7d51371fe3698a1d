"""An instrument: reads attributes and mouth opening from pictures. It learns from the world only, never from nano's output.

Axes: b batch, h w height and width.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from happyhorse.model.video_vae import VideoVae
from happyhorse.world.draw import ScenePainter
from happyhorse.world.motion import move
from happyhorse.world.scene import ATTRIBUTES, Scene, sample_scene
from happyhorse.world.sound import speak_line

READ = ("gender", "skin", "hair_style", "hair_colour", "top_colour", "glasses", "environment", "time", "shot")
SIZE = (128, 224)
"""Height and width at which pictures are read."""
_WIDTHS = (32, 64, 96, 128, 160)
_FRAMES_PER_SCENE = 4


class Reader(nn.Module):
    """Five strided convolutions, then one linear reading for each attribute and one for the mouth."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((3, *_WIDTHS), _WIDTHS, strict=False):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(8, after), nn.SiLU()]
        self.body = nn.Sequential(
            *layers, nn.Conv2d(_WIDTHS[-1], _WIDTHS[-1], 3, padding=1), nn.SiLU(), nn.Flatten()
        )
        self.attributes = nn.ModuleDict({name: nn.LazyLinear(len(ATTRIBUTES[name])) for name in READ})
        self.mouth = nn.LazyLinear(1)
        self(torch.zeros(1, 3, *SIZE))

    def forward(
        self, pictures: Float[Tensor, "b 3 h w"]
    ) -> tuple[dict[str, Float[Tensor, "b _"]], Float[Tensor, " b"]]:
        """Return logits by attribute, and the mouth's opening, 0 closed to 1 wide, of pictures in [-1, 1]."""
        features = self.body(
            F.interpolate(pictures, SIZE, mode="area") if pictures.shape[-2:] != SIZE else pictures
        )
        return {name: head(features) for name, head in self.attributes.items()}, self.mouth(features)[:, 0]

    @torch.inference_mode()
    def read(self, pictures: Float[Tensor, "b 3 h w"]) -> dict[str, str]:
        """Return what several pictures of one clip show, by their mean logits."""
        logits, _ = self(pictures)
        return {name: ATTRIBUTES[name][int(value.mean(0).argmax())] for name, value in logits.items()}


def as_pictures(frames: NDArray[np.uint8]) -> Float[Tensor, "b 3 h w"]:
    """Turn (b, h, w, 3) bytes into values in [-1, 1]."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1


def draw_frames(
    scene: Scene, vae: VideoVae, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], list[float]]:
    """Return a few frames of a scene, some of them as the codec brings them back, and how open the mouth is in each."""
    motion = move(scene, speak_line(scene, aloud=False), num_frames=75)
    painter = ScenePainter(scene, motion, width=SIZE[1], height=SIZE[0])
    numbers = rng.integers(75, size=_FRAMES_PER_SCENE)
    frames = np.stack([painter.draw(int(i)) for i in numbers])
    dice = rng.random()
    if dice < 0.75:
        with torch.inference_mode():
            latent = vae.encode(as_pictures(frames)[:, :, None])
            back = vae.decode(latent)[:, :, 0] if dice < 0.2 else vae.project(latent)[:, :, -1]
            back = F.interpolate(back, SIZE, mode="area")
        frames = ((back.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return frames, [float(motion.mouth_open[i]) for i in numbers]


def train_reader(
    vae: VideoVae, *, minutes: float, seed: int = 0, on_report: Callable[[str], None] = lambda _: None
) -> Reader:
    """Train on freshly drawn scenes."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    reader = Reader()
    optimizer = torch.optim.AdamW(reader.parameters(), lr=1e-3, weight_decay=1e-2)
    started = time.monotonic()
    step = 0
    while (progress := (time.monotonic() - started) / 60 / minutes) < 1:
        optimizer.param_groups[0]["lr"] = 1e-3 * min(1.0, 2 * (1 - progress))
        scenes = [sample_scene(int(rng.integers(10**9, 2 * 10**9)), seconds=3) for _ in range(12)]
        drawn = [draw_frames(scene, vae, rng) for scene in scenes]
        pictures = as_pictures(np.concatenate([frames for frames, _ in drawn]))
        logits, mouth = reader(pictures + 0.03 * torch.randn_like(pictures))
        loss = 4 * F.mse_loss(mouth, torch.tensor([value for _, values in drawn for value in values]))
        for name, value in logits.items():
            true = [
                ATTRIBUTES[name].index(scene.attributes()[name])
                for scene in scenes
                for _ in range(_FRAMES_PER_SCENE)
            ]
            loss = loss + F.cross_entropy(value, torch.tensor(true))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step % 50 == 0:
            on_report(f"reader: step {step}, loss {loss.item():.2f}, {100 * progress:.0f} %")
    return reader.eval()


def save_reader(reader: Reader, path: Path) -> None:
    """Write the instrument's weights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(reader.state_dict(), path)


def load_reader(path: Path) -> Reader:
    """Read what `save_reader` wrote."""
    reader = Reader()
    reader.load_state_dict(load_file(path))
    return reader.eval()
