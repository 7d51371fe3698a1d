"""A network that has been told what to make, as the velocity that a sampler asks for.

Axes: b batch, c latent channels, h w latent height and width, m prompt rows.
"""

from jaxtyping import Float
from torch import Tensor

from happyhorse.model.arithmetic import quick
from happyhorse.model.pack import Latents, Phonemes, pack
from happyhorse.model.sampler import Velocity
from happyhorse.model.transformer import Transformer


def velocity_of(
    model: Transformer,
    *,
    text: Float[Tensor, "b m ct"],
    phonemes: Phonemes,
    first_frame: Float[Tensor, "b c 1 h w"] | None = None,
) -> Velocity:
    """Return what the network says of any latents beside these prompt rows, this speech and this clean first frame."""

    def velocity(now: Latents) -> Latents:
        rows = pack(
            model.config,
            video=now.video,
            audio=now.audio,
            text=text,
            phonemes=phonemes,
            first_frame=first_frame,
        )
        with quick():
            said: Latents = model(rows)
        return said

    return velocity
