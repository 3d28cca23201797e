"""SegFormer (Xie et al. 2021) from scratch, by `transformers`, at a size that trains here."""

from __future__ import annotations

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from tasks.route.models.unet import Normalise


class Segformer(nn.Module):
    """Road logits of an image, B H W; the network's quarter resolution is interpolated.

    state_dict: net.* with the keys of `SegformerForSemanticSegmentation`.
    """

    def __init__(self) -> None:
        super().__init__()
        from transformers import SegformerConfig, SegformerForSemanticSegmentation

        self.normalise = Normalise()
        self.net = SegformerForSemanticSegmentation(
            SegformerConfig(
                num_labels=1,
                depths=[2, 2, 2, 2],
                hidden_sizes=[16, 32, 80, 128],
                num_attention_heads=[1, 2, 5, 8],
                decoder_hidden_size=64,
            )
        )

    def forward(self, rgb: Shaped[Tensor, "B 3 H W"]) -> Float[Tensor, "B H W"]:
        """Road logits."""
        quarter = self.net(pixel_values=self.normalise(rgb)).logits
        full: Tensor = nn.functional.interpolate(
            quarter, size=rgb.shape[-2:], mode="bilinear", align_corners=False
        )
        return full[:, 0]
