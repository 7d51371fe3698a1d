"""A run's parts -> the folder that ships: each part stored as small as it keeps its quality."""

import shutil
from pathlib import Path

from happyhorse.model.audio_vae import AudioVae
from happyhorse.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, weights_hash
from happyhorse.model.text import TextEncoder
from happyhorse.model.video_vae import VideoVae

PARTS = ("video_vae", "audio_vae", "text")


def pack_weights(run: Path, folder: Path) -> list[Path]:
    """Write transformer, codecs and text encoder of a run into `folder`; the transformer names the hashes of the others.

    The transformer was trained on these very encoders, so they stay bit for bit; the video decoder is rounded to int8.
    Raises: WeightsMissing if a part is missing or broken.
    """
    video = VideoVae.load(run / "video_vae.safetensors")
    AudioVae.load(run / "audio_vae.safetensors")
    TextEncoder.load(run / "text.safetensors")
    trained = load_checkpoint(run / "transformer.safetensors")
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / f"{part}.safetensors" for part in PARTS]
    video.save(written[0], storage="int8")
    for path in written[1:]:
        shutil.copyfile(run / path.name, path)
    notes = {**trained.notes, **{part: weights_hash(path) for part, path in zip(PARTS, written, strict=True)}}
    written.append(folder / "transformer.safetensors")
    save_checkpoint(Checkpoint(trained.model, trained.sampler, notes), written[-1], storage="int8")
    return written
