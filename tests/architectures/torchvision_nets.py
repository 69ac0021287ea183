"""Classification nets of torchvision, as shallow and narrow as their classes allow.

``BUILD`` maps a name to a function without arguments that gives the model and the size of its
square images.
"""

from collections.abc import Callable

from torch import nn


def _resnet(block: str, **kwargs: object) -> nn.Module:
    from torchvision.models import resnet

    return resnet.ResNet(getattr(resnet, block), [1, 1, 1, 1], num_classes=5, **kwargs)


def _vgg() -> nn.Module:
    from torchvision.models import vgg

    net = vgg.VGG(vgg.make_layers([8, "M", 16, "M", 8], batch_norm=True), num_classes=5)
    # 4096 units a layer would be nine tenths of this file's time
    net.classifier[0] = nn.Linear(8 * 49, 64)
    net.classifier[3] = nn.Linear(64, 64)
    net.classifier[6] = nn.Linear(64, 5)
    return net


def _densenet() -> nn.Module:
    from torchvision.models import DenseNet

    return DenseNet(growth_rate=8, block_config=(2, 2, 2), num_init_features=16, num_classes=5)


def _by_name(name: str, **kwargs: object) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        import torchvision

        return torchvision.models.get_model(name, weights=None, num_classes=5, **kwargs)

    return build


def _mobilenet_v2() -> nn.Module:
    from torchvision.models import MobileNetV2

    setting = [[1, 8, 1, 1], [6, 16, 2, 2], [6, 24, 1, 2]]
    return MobileNetV2(num_classes=5, width_mult=0.5, inverted_residual_setting=setting)


def _efficientnet() -> nn.Module:
    from torchvision.models import EfficientNet
    from torchvision.models.efficientnet import FusedMBConvConfig, MBConvConfig

    setting = [
        FusedMBConvConfig(1, 3, 1, 16, 16, 1),
        MBConvConfig(4, 3, 2, 16, 24, 2, 1.0, 1.0),
        MBConvConfig(4, 5, 2, 24, 32, 1, 1.0, 1.0),
    ]
    return EfficientNet(setting, dropout=0.1, num_classes=5, last_channel=64)


def _convnext() -> nn.Module:
    from torchvision.models import ConvNeXt
    from torchvision.models.convnext import CNBlockConfig

    setting = [CNBlockConfig(16, 32, 1), CNBlockConfig(32, 48, 1), CNBlockConfig(48, None, 1)]
    return ConvNeXt(setting, num_classes=5)


def _regnet() -> nn.Module:
    from torchvision.models import RegNet
    from torchvision.models.regnet import BlockParams

    params = BlockParams.from_init_params(depth=4, w_0=16, w_a=8.0, w_m=2.0, group_width=8,
                                          se_ratio=0.25)  # fmt: skip
    return RegNet(params, num_classes=5)


def _shufflenet() -> nn.Module:
    from torchvision.models import ShuffleNetV2

    return ShuffleNetV2([2, 2, 2], [16, 16, 32, 64, 64], num_classes=5)


def _googlenet() -> nn.Module:
    from torchvision.models import GoogLeNet

    return GoogLeNet(num_classes=5, aux_logits=False, init_weights=False)


def _inception() -> nn.Module:
    from torchvision.models import Inception3

    return Inception3(num_classes=5, aux_logits=False, init_weights=False)


def _vit() -> nn.Module:
    from torchvision.models import VisionTransformer

    return VisionTransformer(image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16,
                             mlp_dim=32, num_classes=5)  # fmt: skip


def _swin(block: str, **kwargs: object) -> nn.Module:
    from torchvision.models import SwinTransformer, swin_transformer

    return SwinTransformer(
        patch_size=[2, 2], embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=[4, 4],
        num_classes=5, block=getattr(swin_transformer, block), **kwargs,
    )  # fmt: skip


def _swin_v2() -> nn.Module:
    from torchvision.models.swin_transformer import PatchMergingV2

    return _swin("SwinTransformerBlockV2", downsample_layer=PatchMergingV2)


def _maxvit() -> nn.Module:
    from torchvision.models import MaxVit

    return MaxVit(
        input_size=(32, 32), stem_channels=16, partition_size=4, block_channels=[16, 32],
        block_layers=[1, 1], head_dim=8, stochastic_depth_prob=0.0, num_classes=5,
    )  # fmt: skip


BUILD: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "resnet-basic": (lambda: _resnet("BasicBlock"), 32),
    "resnet-bottleneck": (lambda: _resnet("Bottleneck"), 32),
    "resnext": (lambda: _resnet("Bottleneck", groups=8, width_per_group=4), 32),
    "wide-resnet": (lambda: _resnet("Bottleneck", width_per_group=128), 32),
    "vgg-bn": (_vgg, 32),
    "densenet": (_densenet, 32),
    "squeezenet": (_by_name("squeezenet1_1"), 48),
    "mobilenet-v2": (_mobilenet_v2, 32),
    "mobilenet-v3": (_by_name("mobilenet_v3_small"), 64),
    "efficientnet": (_efficientnet, 32),
    "convnext": (_convnext, 32),
    "regnet-y": (_regnet, 32),
    "shufflenet-v2": (_shufflenet, 32),
    "googlenet": (_googlenet, 32),
    "inception-v3": (_inception, 80),
    "mnasnet": (_by_name("mnasnet0_5"), 32),
    "vit": (_vit, 32),
    "swin": (lambda: _swin("SwinTransformerBlock"), 32),
    "swin-v2": (_swin_v2, 32),
    "maxvit": (_maxvit, 32),
}
