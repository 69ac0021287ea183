"""Trains one network: Adam with a one-cycle learning rate, and no augmentation."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.study.images import Labelled
from benchmarks.study.nets import NETS, Classifier
from benchmarks.study.settings import Settings

BATCH = 128
RATE = 4e-3


def as_inputs(images: np.ndarray, reference: np.ndarray) -> Tensor:
    """Images as the networks take them, float32 (N, 1, 28, 28).

    Args:
        images: uint8, shape (N, 28, 28).
        reference: The images by whose mean and standard deviation all are normalised.
    """
    scaled = (images - reference.mean()) / reference.std()
    return torch.from_numpy(scaled.astype(np.float32)).unsqueeze(1)


def drawn(pool: Labelled, seed: int, settings: Settings) -> Labelled:
    """The images of the pool, ``settings.train`` of them, that a seed's network is trained on."""
    chosen = np.random.default_rng(seed).permutation(len(pool.images))[: settings.train]
    return Labelled(pool.images[chosen], pool.labels[chosen])


def trained(
    net: str, inputs: Tensor, labels: Tensor, *, classes: int, seed: int, epochs: int
) -> Classifier:
    """A trained network in eval mode.

    Args:
        net: A key of ``NETS``.
        inputs: float32, shape (N, 1, 28, 28).
        labels: int64, shape (N,).
        classes: How many there are.
        seed: Sets initial weights and the order of the images.
        epochs: Passes over them.
    """
    torch.manual_seed(seed)
    model = NETS[net](classes)
    optimizer = torch.optim.Adam(model.parameters())
    steps = epochs * -(-len(inputs) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(inputs)).split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs[batch]), labels[batch]).backward()
            optimizer.step()
            schedule.step()
    return model.eval()
