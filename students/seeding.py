"""Seeds torch's generators for what is computed next on one device."""

from __future__ import annotations

import torch


def seed_generators(seed: int, device: torch.device) -> None:
    """Seeds the CPU's generator, and the device's own where it is another.

    Not ``torch.manual_seed``: where a GPU is not in use, that one notes the seed and the whole
    call stack in a queue for later, at every call.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
