"""The demo's network; a factory like this is what a spec's model.factory names."""

from torch import nn


def small_cnn(classes: int = 8) -> nn.Sequential:
    """Grey 28 x 28 images in, logits out; about 31,000 parameters."""
    features = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )
    model = nn.Sequential()
    model.add_module("features", features)
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc", nn.Linear(32 * 7 * 7, classes))
    return model
