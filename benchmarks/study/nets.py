"""The two networks. Both have a ``body`` that ends in features >= 0, and a last layer ``fc``."""

from collections.abc import Callable, Mapping

from torch import Tensor, nn
from torch.nn import functional as F


class Classifier(nn.Module):
    """Grey 28 x 28 images in, logits out.

    Args:
        body: Modules from input to features, by name; these are the layers that are scored.
        features: How many.
        classes: How many.
    """

    def __init__(self, body: Mapping[str, nn.Module], features: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential()
        for name, module in body.items():
            self.body.add_module(name, module)
        self.fc = nn.Linear(features, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, shape (N, classes)."""
        return self.fc(self.body(images))

    def layers(self) -> dict[str, nn.Module]:
        """All layers with parameters, by name, from the input on; then the whole model."""
        named = {n: m for n, m in self.body.named_children() if any(True for _ in m.parameters())}
        return {**named, "fc": self.fc, "all": self}


class Block(nn.Module):
    """A basic block of He et al. 2016."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.shortcut = nn.Sequential()
        if before != after or stride != 1:
            self.shortcut.add_module("conv", nn.Conv2d(before, after, 1, stride, bias=False))
            self.shortcut.add_module("bn", nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (N, after, height / stride, width / stride)."""
        inner = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(inner)) + self.shortcut(x))


def cnn(classes: int) -> Classifier:
    """Three convolutions and a linear layer on 576 features; no normalisation."""
    body = {}
    for number, (before, after) in enumerate(((1, 16), (16, 32), (32, 64)), 1):
        body[f"conv{number}"] = nn.Conv2d(before, after, 3, padding=1)
        body[f"relu{number}"] = nn.ReLU()
        body[f"pool{number}"] = nn.MaxPool2d(2)
    return Classifier({**body, "flatten": nn.Flatten()}, 64 * 3 * 3, classes)


def resnet(classes: int) -> Classifier:
    """A residual network: a stem and three blocks, batch normalisation, 64 pooled features."""
    body = {
        "stem": nn.Sequential(nn.Conv2d(1, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        "block1": Block(16, 16, 1),
        "block2": Block(16, 32, 2),
        "block3": Block(32, 64, 2),
        "pool": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
    }
    return Classifier(body, 64, classes)


NETS: dict[str, Callable[[int], Classifier]] = {"cnn": cnn, "resnet": resnet}
NET_TITLES = {"cnn": "CNN", "resnet": "ResNet"}
