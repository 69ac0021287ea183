"""The nets that are measured, written out so that no package decides what they are."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = 10


@dataclass(frozen=True)
class Net:
    """One net and its input.

    Args:
        build: Gives the model with fresh weights.
        inputs: Gives a batch of ``N`` samples; token ids where the net reads text.
        head: Name of the last layer, the target of GradNorm.
    """

    build: Callable[[], nn.Module]
    inputs: Callable[[int], Tensor]
    head: str


def make(name: str) -> nn.Module:
    """The net ``name`` with seeded weights, in eval mode."""
    torch.manual_seed(0)
    return NETS[name].build().eval()


def batch(name: str, samples: int) -> Tensor:
    """A seeded batch for the net ``name``, shape (N, ...)."""
    torch.manual_seed(1)
    return NETS[name].inputs(samples)


def _mlp() -> nn.Module:
    return nn.Sequential(
        nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, CLASSES)
    )


def _cnn() -> nn.Module:
    """The example net of gradient_metrics."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * 8 * 8, 128),
        nn.ReLU(),
        nn.Linear(128, CLASSES),
    )


def _norm(channels: int) -> nn.BatchNorm2d:
    """BatchNorm as training leaves it: with statistics and scales that are not 0 and 1."""
    norm = nn.BatchNorm2d(channels)
    with torch.no_grad():
        norm.weight.uniform_(0.8, 1.2)
        norm.bias.normal_(std=0.1)
        norm.running_mean.normal_(std=0.1)
        norm.running_var.uniform_(0.8, 1.2)
    return norm


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = _norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = _norm(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), _norm(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """From (N, C, H, W) to (N, C', H', W')."""
        hidden = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(hidden)) + self.shortcut(x))


def _resnet18() -> nn.Module:
    """ResNet-18 with a 3x3 stem and no first pooling, as is usual for 32x32 images."""
    widths = [(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)]
    blocks = [
        block
        for inputs, outputs, stride in widths
        for block in (BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1))
    ]
    stem = [nn.Conv2d(3, 64, 3, padding=1, bias=False), _norm(64), nn.ReLU()]
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, CLASSES)]
    return nn.Sequential(*stem, *blocks, *pool)


class Attention(nn.Module):
    """Self-attention with one projection for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """From (N, T, D) to (N, T, D)."""
        samples, tokens, width = x.shape
        qkv = self.qkv(x).reshape(samples, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).reshape(samples, tokens, width))


class Layer(nn.Module):
    """A transformer layer, its norms before (ViT) or after (BERT) the two halves."""

    def __init__(self, width: int, heads: int, *, norm_first: bool) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """From (N, T, D) to (N, T, D)."""
        if self.norm_first:
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.mlp(x))


class ViT(nn.Module):
    """ViT-tiny for 32x32 images: 64 patches of 4x4 and a class token, 12 layers, width 192."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 192, 4, 4)
        self.class_token = nn.Parameter(0.02 * torch.randn(1, 1, 192))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 65, 192))
        self.layers = nn.Sequential(*[Layer(192, 3, norm_first=True) for _ in range(12)])
        self.norm = nn.LayerNorm(192)
        self.head = nn.Linear(192, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """From (N, 3, 32, 32) to logits (N, C)."""
        patches = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(images), -1, -1), patches], 1)
        return self.head(self.norm(self.layers(tokens + self.positions))[:, 0])


class Encoder(nn.Module):
    """BERT-mini's encoder and vocabulary: 128 tokens, 4 layers, width 256."""

    VOCABULARY, TOKENS = 30522, 128

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(self.VOCABULARY, 256)
        self.positions = nn.Embedding(self.TOKENS, 256)
        self.norm = nn.LayerNorm(256)
        self.layers = nn.Sequential(*[Layer(256, 4, norm_first=False) for _ in range(4)])
        self.pooler = nn.Linear(256, 256)
        self.head = nn.Linear(256, CLASSES)

    def forward(self, ids: Tensor) -> Tensor:
        """From token ids (N, T) to logits (N, C)."""
        places = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
        hidden = self.layers(self.norm(self.words(ids) + self.positions(places)))
        return self.head(torch.tanh(self.pooler(hidden[:, 0])))


def _images(samples: int) -> Tensor:
    return torch.randn(samples, 3, 32, 32)


def _ids(samples: int) -> Tensor:
    return torch.randint(Encoder.VOCABULARY, (samples, Encoder.TOKENS))


NETS = {
    "mlp": Net(_mlp, lambda samples: torch.randn(samples, 784), "4"),
    "cnn": Net(_cnn, _images, "11"),
    "resnet18": Net(_resnet18, _images, "13"),
    "vit-tiny": Net(ViT, _images, "head"),
    "encoder": Net(Encoder, _ids, "head"),
}
