"""The tutor: a throw-away head that asks the picture's rows, a third of the way up, how the mouth is.

The world knows the truth, so it may say it. Velocity errors alone are slow to teach that phonemes move mouths: most of what
changes around a mouth is the head that carries it. Source of the idea: REPA, arXiv:2410.06940.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from happyhorse.model.transformer import Transformer
from happyhorse.training.clips import MOUTH_VALUES

WEIGHT = 10.0
"""What the tutor's error counts: it is about a tenth of a velocity's."""


class Tutor(nn.Module):
    """Listens to one layer of a transformer while it trains; has parameters of its own and leaves none in the network."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.width = model.config.hidden
        self.head = nn.Linear(self.width, MOUTH_VALUES)
        self._heard: Tensor | None = None
        layer = model.block.layers[model.config.num_layers // 3]
        layer.register_forward_hook(self._listen)

    def _listen(self, _layer: nn.Module, _inputs: object, rows: Float[Tensor, "b n d"]) -> None:
        self._heard = rows

    def loss(self, mouth: Float[Tensor, "b t s"], *, num_video: int) -> Tensor | None:
        """Return the mean squared error over the `num_video` picture rows of the last forward; None where there are none.

        Every row is asked, wherever it lies: the mouth's shape is a matter of time alone.
        """
        assert self._heard is not None
        rows, self._heard = self._heard, None
        if not num_video:
            return None
        video = F.rms_norm(rows[:, :num_video].float(), (self.width,))
        said = self.head(video).unflatten(1, (mouth.shape[1], -1))  # (b, t, rows of a frame, s)
        return F.mse_loss(said, mouth[:, :, None].expand_as(said))
