"""Image nets of timm, made shallow and narrow by keywords that their classes take.

``BUILD`` maps a name to a function without arguments that gives the model and the size of its
square images.
"""

import pkgutil
from collections.abc import Callable

from torch import nn


def _by_name(name: str, **kwargs: object) -> Callable[[], nn.Module]:
    """A registered model with some of its configuration replaced."""

    def build() -> nn.Module:
        import timm

        return timm.create_model(name, pretrained=False, num_classes=5, **kwargs)

    return build


def _resolved(value: object) -> object:
    if isinstance(value, list):
        return [_resolved(item) for item in value]
    return pkgutil.resolve_name(value) if isinstance(value, str) and ":" in value else value


def _by_class(module: str, name: str, **kwargs: object) -> Callable[[], nn.Module]:
    """A class of ``timm.models``, for families whose registered models fix what we would change.

    A keyword given as ``"module:name"`` stands for that object, so that timm is imported late.
    """

    def build() -> nn.Module:
        models = f"timm.models.{module}"
        found = {key: _resolved(value) for key, value in kwargs.items()}
        return pkgutil.resolve_name(f"{models}:{name}")(num_classes=5, **found)

    return build


def _nfnet() -> nn.Module:
    from timm.models import nfnet

    # scaled weight standardisation: convolutions whose weight is computed by a train-mode
    # batch_norm of the weight
    cfg = nfnet.NfCfg(depths=(1, 1, 1, 1), channels=(32, 48, 64, 64), stem_type="3x3", stem_chs=16,
                      group_size=8, bottle_ratio=0.25, extra_conv=True, num_features=64,
                      attn_layer="se", attn_kwargs={"rd_ratio": 0.5}, skipinit=True)  # fmt: skip
    return nfnet.NormFreeNet(cfg, num_classes=5)


def _repvgg() -> nn.Module:
    from timm.models import byobnet

    blocks = tuple(byobnet.ByoBlockCfg(type="rep", d=2, c=c, s=2, gs=0) for c in (16, 24, 32))
    cfg = byobnet.ByoModelCfg(blocks=blocks, stem_type="rep", stem_chs=16)
    return byobnet.ByobNet(cfg, num_classes=5)


def _maxxvit(rel_pos_type: str, block_type: tuple) -> nn.Module:
    from timm.models import maxxvit

    cfg = maxxvit.MaxxVitCfg(
        embed_dim=(16, 16, 32, 32), depths=(1, 1, 1, 1), block_type=block_type, stem_width=8,
        transformer_cfg=maxxvit.MaxxVitTransformerCfg(
            dim_head=8, rel_pos_type=rel_pos_type, rel_pos_dim=8, window_size=(2, 2),
            grid_size=(2, 2)),
    )  # fmt: skip
    return maxxvit.MaxxVit(cfg, img_size=64, num_classes=5)


def _xcit() -> nn.Module:
    from timm.models import xcit

    return xcit.Xcit(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2, eta=0.5,
                     tokens_norm=True, num_classes=5)  # fmt: skip


def _mvit() -> nn.Module:
    from timm.models import mvitv2

    cfg = mvitv2.MultiScaleVitCfg(depths=(1, 1), embed_dim=16, num_heads=1,
                                  stride_q=((1, 1), (2, 2)), use_cls_token=True)  # fmt: skip
    return mvitv2.MultiScaleVit(cfg, img_size=32, num_classes=5)


FOUR = {"depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32)}

BUILD: dict[str, tuple[Callable[[], nn.Module], int]] = {
    # convolutions
    "resnet50-d": (_by_name("resnet50d", layers=(1, 1, 1, 1), channels=(16, 32, 32, 64)), 32),
    "seresnet": (_by_name("seresnet50", layers=(1, 1, 1, 1), channels=(16, 32, 32, 64)), 32),
    "res2net": (_by_name("res2net50_26w_4s", layers=(1, 1, 1, 1), channels=(16, 32, 32, 64)), 32),
    "bit-resnetv2": (
        _by_class("resnetv2", "ResNetV2", layers=(1, 1, 1), channels=(128, 128, 128), stem_chs=32,
                  stem_type="fixed", conv_layer="timm.layers:StdConv2d"),
        32,
    ),
    "nfnet": (_nfnet, 32),
    "efficientnetv2": (_by_name("efficientnetv2_s", channel_multiplier=0.1, depth_multiplier=0.1),
                       32),
    "ghostnet": (_by_name("ghostnet_050"), 32),
    "repvit": (_by_name("repvit_m0_9", embed_dim=(8, 16, 24, 32), depth=(1, 1, 1, 1)), 32),
    "repvgg": (_repvgg, 32),
    "hrnet": (_by_name("hrnet_w18_small"), 32),
    "convnextv2": (_by_name("convnextv2_atto", **FOUR), 32),
    "inception-next": (_by_name("inception_next_tiny", **FOUR), 32),
    "mambaout": (_by_name("mambaout_femto", **FOUR), 32),
    "focalnet": (_by_class("focalnet", "FocalNet", embed_dim=8, depths=(1, 1, 1, 1)), 32),
    # hybrids
    "coatnet": (lambda: _maxxvit("bias", ("C", "C", "T", "T")), 64),
    "coatnet-mlp-bias": (lambda: _maxxvit("mlp", ("C", "T", "T", "T")), 64),
    "maxvit": (lambda: _maxxvit("bias_tf", ("M", "M", "M", "M")), 64),
    "edgenext": (_by_name("edgenext_xx_small", heads=(2, 2, 2, 2), **FOUR), 64),
    "levit": (
        _by_name("levit_128s", img_size=64, embed_dim=(16, 24, 32), key_dim=8, num_heads=(2, 2, 2),
                 depth=(1, 1, 1)),
        64,
    ),
    "mobilevit": (_by_name("mobilevit_xxs"), 64),
    "fastvit": (_by_name("fastvit_t8", layers=(1, 1, 1, 1), embed_dims=(8, 16, 32, 64)), 64),
    "efficientformer": (
        _by_name("efficientformer_l1", depths=(1, 1, 1, 2), embed_dims=(8, 16, 24, 32)),
        224,
    ),
    "pvt-v2": (
        _by_name("pvt_v2_b0", depths=(1, 1, 1, 1), embed_dims=(8, 16, 24, 32),
                 num_heads=(1, 2, 2, 4)),
        64,
    ),
    "poolformer": (_by_class("metaformer", "MetaFormer", layer_scale_init_values=1e-5,
                             res_scale_init_values=None, **FOUR), 32),
    "caformer": (
        _by_class("metaformer", "MetaFormer", depths=(1, 1, 1), dims=(32, 32, 32),
                  token_mixers=["timm.models.metaformer:SepConv", "timm.models.metaformer:SepConv",
                                "timm.models.metaformer:Attention"],
                  norm_layers=["timm.models.metaformer:LayerNorm2dNoBias"] * 2
                  + ["timm.models.metaformer:LayerNormNoBias"]),
        32,
    ),
    # transformers
    "vit": (_by_name("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=16, depth=2,
                     num_heads=2), 32),
    "vit-relpos": (_by_name("vit_relpos_small_patch16_224", img_size=32, patch_size=8, embed_dim=16,
                            depth=2, num_heads=2), 32),
    "deit-distilled": (_by_name("deit_tiny_distilled_patch16_224", img_size=32, patch_size=8,
                                embed_dim=16, depth=2, num_heads=2), 32),
    "beit": (_by_name("beit_base_patch16_224", img_size=32, patch_size=8, embed_dim=16, depth=2,
                      num_heads=2), 32),
    "eva02": (_by_name("eva02_tiny_patch14_224", img_size=32, patch_size=8, embed_dim=16, depth=2,
                       num_heads=2), 32),
    "cait": (_by_name("cait_xxs24_224", img_size=32, patch_size=8, embed_dim=16, depth=2,
                      num_heads=2), 32),
    "xcit": (_xcit, 32),
    "mlp-mixer": (_by_class("mlp_mixer", "MlpMixer", img_size=32, patch_size=8, embed_dim=16,
                            num_blocks=2), 32),
    "resmlp": (_by_class("mlp_mixer", "MlpMixer", img_size=32, patch_size=8, embed_dim=16,
                         num_blocks=2, mlp_ratio=4, norm_layer="timm.models.mlp_mixer:Affine",
                         block_layer="timm.models.mlp_mixer:ResBlock"), 32),
    "gmlp": (_by_class("mlp_mixer", "MlpMixer", img_size=32, patch_size=8, embed_dim=16,
                       num_blocks=2, mlp_ratio=4, mlp_layer="timm.layers:GatedMlp",
                       block_layer="timm.models.mlp_mixer:SpatialGatingBlock"), 32),
    "swin": (_by_name("swin_tiny_patch4_window7_224", img_size=32, window_size=2, embed_dim=8,
                      depths=(2, 2), num_heads=(2, 2)), 32),
    "swinv2": (_by_name("swinv2_tiny_window8_256", img_size=32, window_size=2, embed_dim=8,
                        depths=(2, 2), num_heads=(2, 2)), 32),
    "davit": (_by_name("davit_tiny", depths=(1, 1), embed_dims=(8, 16), num_heads=(2, 2),
                       window_size=4), 32),
    "twins-svt": (_by_name("twins_svt_small", img_size=64, embed_dims=(8, 16, 24, 32),
                           num_heads=(1, 2, 2, 2), depths=(1, 1, 1, 1), wss=(2, 2, 2, 2)), 64),
    "coat": (_by_name("coat_lite_tiny", img_size=64, embed_dims=(16, 16, 32, 32),
                      serial_depths=(1, 1, 1, 1), num_heads=8), 64),
    "crossvit": (_by_name("crossvit_9_240", img_size=240, embed_dim=(16, 32),
                          depth=((1, 1, 0),), num_heads=(2, 2)), 240),
    "tnt": (_by_name("tnt_s_legacy_patch16_224", img_size=32, embed_dim=16, inner_dim=8, depth=2,
                     num_heads_outer=2, num_heads_inner=2), 32),
    "pit": (_by_name("pit_ti_224", img_size=64, base_dims=(8, 8, 8), depth=(1, 1, 1),
                     heads=(1, 2, 4)), 64),
    "volo": (_by_class("volo", "VOLO", img_size=64, layers=(1, 1), embed_dims=(16, 32),
                      num_heads=(2, 2), stem_hidden_dim=8), 64),
    "convit": (_by_name("convit_tiny", img_size=32, patch_size=8, embed_dim=16, depth=4,
                        num_heads=2), 32),
    "visformer": (_by_name("visformer_tiny", img_size=64, embed_dim=32, depth=(1, 1, 1),
                           num_heads=2, init_channels=8), 64),
    "mvitv2": (_mvit, 32),
    "hiera": (_by_name("hiera_tiny_224", img_size=(64, 64), embed_dim=8, stages=(1, 1, 1, 1)), 64),
    "nest": (_by_class("nest", "Nest", img_size=32, embed_dims=(8, 16, 16), num_heads=(1, 2, 2),
                      depths=(1, 1, 1)), 32),
    "gcvit": (_by_class("gcvit", "GlobalContextVit", img_size=64, window_size=2, embed_dim=8,
                        depths=(1, 1, 1, 1),                       num_heads=(1, 2, 2, 2)), 64),
    "tiny-vit": (_by_name("tiny_vit_5m_224", embed_dims=(8, 16, 16, 32), depths=(1, 1, 1, 1),
                          num_heads=(1, 2, 2, 2)), 64),
    # LSTM kernels
    "sequencer2d": (_by_name("sequencer2d_s", img_size=32, layers=(1, 1, 1, 1),
                             embed_dims=(8, 16, 16, 16), hidden_sizes=(4, 4, 4, 4)), 32),
}  # fmt: skip
