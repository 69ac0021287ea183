"""How much the study does, and the one score that it is about, named before any test was seen."""

from dataclasses import dataclass

PRIMARY = "pseudo_label fc l1"
WHY_PRIMARY = """\
Oberdiek et al. 2018 studied a setting like this, a small convolutional network on grey images of
28 x 28 pixels, with the pseudo-label loss, and large gradients as the sign of uncertainty. Huang et
al. 2021 found the L1 norm of the last layer best among norms and layers. GradNorm itself, with the
uniform loss, was not named since its gains are reported for ImageNet, and on the small images of
CIFAR-10 OpenOOD (Zhang et al. 2023) has it below the maximum softmax probability."""


@dataclass(frozen=True)
class Settings:
    """Sizes of everything, in images unless said otherwise.

    Args:
        problems: Keys of ``PROBLEMS``.
        nets: Keys of ``NETS``.
        seeds: How many networks are trained of each kind; a seed sets the initial weights, the
            order of the batches and which images are trained on.
        train: Images that a network is trained on.
        epochs: Passes over them.
        validation: In-distribution images for validation; and as many unknown ones, near and far.
        test: In-distribution test images.
        unknown: Unknown test images of each kind at most.
        neighbours: k of KNN.
    """

    problems: tuple[str, ...] = ("fashion", "digits")
    nets: tuple[str, ...] = ("cnn", "resnet")
    seeds: int = 5
    train: int = 12_000
    epochs: int = 4
    validation: int = 1_000
    test: int = 4_000
    unknown: int = 1_000
    neighbours: int = 50


FULL = Settings()
QUICK = Settings(
    problems=("few digits",),
    seeds=2,
    train=700,
    epochs=4,
    validation=80,
    test=300,
    unknown=60,
    neighbours=10,
)
