"""Reads a pickled checkpoint in a process of its own and writes what a decoder needs of it as safetensors.

Run as `python -m happyhorse.model.unpickle CHECKPOINT TARGET METADATA`. torch unpickles with `weights_only`: tensors and
plain containers, no other class and no call. A decoder that its config does not describe, or with values that are not finite,
is not written. Whatever goes wrong is one line on stderr and exit code 1.
"""

import json
import pickle
import re
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from happyhorse.model.checkpoint import fill, save_tensors
from happyhorse.model.turbo_vae import TurboVae, TurboVaeConfig

BRANCH = "ema_state_dict"
KEPT = "decoder."


def decoder_of(checkpoint: object) -> dict[str, Tensor]:
    """Return the decoder's averaged tensors. Raises: ValueError if there are none."""
    found = checkpoint.get(BRANCH) if isinstance(checkpoint, Mapping) else None
    if not isinstance(found, Mapping):
        raise ValueError(f"it has no {BRANCH}")
    stripped = {str(name).removeprefix("module."): tensor for name, tensor in found.items()}
    kept = {
        name: tensor
        for name, tensor in stripped.items()
        if name.startswith(KEPT) and isinstance(tensor, Tensor)
    }
    if not kept:
        raise ValueError(f"its {BRANCH} has no tensor that begins with {KEPT}")
    return kept


def main(source: str, target: str, metadata: str) -> None:
    """Convert one file. Raises: ValueError, WeightsMissing, or what torch raises for a stranger's file."""
    if not zipfile.is_zipfile(source):
        raise ValueError("it is cut short, or not of the format that torch.save writes since torch 1.6")
    checkpoint = torch.load(source, map_location="cpu", weights_only=True, mmap=True)
    tensors, said = decoder_of(checkpoint), json.loads(metadata)
    config = TurboVaeConfig.from_published(json.loads(said["config"]))
    fill(TurboVae(config), tensors, origin="its decoder")
    save_tensors(tensors, Path(target), metadata=said)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:4])
    except pickle.UnpicklingError as err:
        # What torch says goes on to advise how to run the file's code.
        found = re.search(r"GLOBAL (\S+)", str(err))
        sys.exit(
            f"it holds more than tensors: {found[1]}"
            if found
            else "it holds more than tensors, or is damaged"
        )
    except Exception as err:  # whatever a stranger's file can cause
        sys.exit(" ".join(str(err).split()) or repr(err))
