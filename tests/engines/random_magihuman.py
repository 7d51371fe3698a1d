"""The 15 B engine with random weights of a preset: its real arranger, loaders and stages, for measuring what they take."""

import torch
from tiny_magihuman import noisy

from happyhorse.engines import magihuman_arrange
from happyhorse.engines.magihuman import (
    AUDIO_VAE,
    TEXT_ENCODER,
    TURBO_VAE,
    WAN_VAE,
    MagiHumanEngine,
    Release,
)
from happyhorse.engines.magihuman_arrange import Arranger
from happyhorse.hub.parts import PARTS
from happyhorse.hub.store import WeightStore
from happyhorse.model.oobleck import Oobleck
from happyhorse.model.random_weights import open_random, random_network
from happyhorse.model.release import networks_of
from happyhorse.model.t5gemma import MAX_ROWS, PromptEncoder
from happyhorse.model.turbo_vae import TurboVae
from happyhorse.model.wan_vae import WanVae


class RandomText(PromptEncoder):
    """Stands for a text encoder on the CPU, which takes nothing of the GPU."""

    def __init__(self, channels):
        torch.nn.Module.__init__(self)
        self.channels = channels

    def encode(self, prompt):
        return torch.randn(1, MAX_ROWS, self.channels)

    def token_ends(self, prompt):
        return []


class RandomArranger(Arranger):
    """Loads networks as the real one does, codecs of the given sizes; all are drawn."""

    def __init__(self, preset, codecs, folder, device, **options):
        super().__init__(WeightStore(folder), {part.name: part for part in PARTS}, device, **options)
        self.preset, self.codecs = preset, codecs

    def _loaders(self, loader):
        def drawn(make, dtype):
            with self.device:
                return make().to(self.device, dtype).eval()

        return {
            **super()._loaders(loader),
            TEXT_ENCODER: lambda: RandomText(self.preset.config.text_channels),
            WAN_VAE: lambda: drawn(lambda: WanVae(self.codecs[WAN_VAE]), torch.bfloat16),
            AUDIO_VAE: lambda: noisy(drawn(lambda: Oobleck(self.codecs[AUDIO_VAE]), torch.float32)),
            TURBO_VAE: self._turbo_vae,
        }

    def _turbo_vae(self):
        with self.device:
            vae = TurboVae(self.preset.turbo).eval()
        vae.decoder.to(torch.bfloat16)
        return vae.to(self.device)


def random_engine(preset, codecs, folder, device, monkeypatch, **options):
    """An engine whose networks come from no file; `codecs` are the configs of Wan's and Oobleck's, `options` the arranger's."""
    networks = networks_of(preset.config)

    def load(_folder, config, *, device, fp8):
        return random_network(config, device=device, fp8=fp8)

    def read(_folder, config, *, device, fp8):
        return open_random(config, device=arranger.device, fp8=fp8)  # billions of values are drawn on the GPU

    monkeypatch.setattr(magihuman_arrange, "NETWORKS", networks)
    monkeypatch.setattr(magihuman_arrange, "load_network", load)
    monkeypatch.setattr(magihuman_arrange, "open_network", read)
    monkeypatch.setattr(magihuman_arrange, "check_present", lambda *_: None)
    arranger = RandomArranger(preset, codecs, folder, device, **options)
    return MagiHumanEngine(preset.capabilities, Release(networks, arranger, "+".join, device))
