"""The networks: an image's pixels to road logits."""
