"""The scores of pytorch-ood: those that need training features, and those that both compute."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.study.nets import Classifier

# both compute them; the rest are pytorch-ood's alone. All say: large means unknown.
SHARED = ("msp", "max_logit", "energy", "entropy", "GradNorm")
FITTED = ("KNN", "ViM", "RMD", "ReAct")


def detectors() -> ModuleType:
    """Imports ``pytorch_ood.detector``, while torchvision's operators are ignored.

    pytorch-ood imports torchvision, whose registry build is for CUDA. Beside a CPU build of torch
    its operators (nms, roi_align) don't load, and to give them a fake implementation fails at
    import. No detector calls them.
    """
    register_fake = torch.library.register_fake

    def ignoring_torchvision(op: Any, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        if isinstance(op, str) and op.startswith("torchvision::"):
            return lambda function: function
        return register_fake(op, *args, **kwargs)

    torch.library.register_fake = ignoring_torchvision
    try:
        import pytorch_ood.detector
    except ImportError as failure:
        raise SystemExit(
            f'pytorch-ood doesn\'t import: {failure}; pip install -e ".[study]"'
        ) from failure
    finally:
        torch.library.register_fake = register_fake
    return pytorch_ood.detector


class Peers:
    """Detectors of pytorch-ood, fitted to the features of one network's training images.

    Args:
        model: In eval mode.
        train_features: float32, shape (N, features).
        train_labels: int64, shape (N,).
        neighbours: k of KNN; pytorch-ood's default is that of the paper for CIFAR-10, 50.
    """

    def __init__(
        self,
        model: Classifier,
        train_features: np.ndarray,
        train_labels: np.ndarray,
        neighbours: int,
    ) -> None:
        found = detectors()
        features, labels = torch.from_numpy(train_features), torch.from_numpy(train_labels)
        weight, bias = model.fc.weight, model.fc.bias
        # the principal space takes half of the features, as the authors do where these are few
        vim = found.ViM(None, d=features.shape[1] // 2, w=weight, b=bias)
        react = found.ReAct(backbone=None, head=model.fc, percentile=0.9)
        self._of_features = {
            "KNN": found.KNN(None, k=neighbours).fit_features(features, labels),
            "ViM": vim.fit_features(features, labels),
            "ReAct": react.fit_feature_maps(features, labels),
        }
        # in float64, since it inverts covariances of features of which some are always 0; it makes
        # its sums in the default dtype
        torch.set_default_dtype(torch.float64)
        try:
            self._rmd = found.RMD(None).fit_features(features.double(), labels)
        finally:
            torch.set_default_dtype(torch.float32)
        self._of_logits = {
            "msp": found.MaxSoftmax.score,
            "max_logit": found.MaxLogit.score,
            "energy": found.EnergyBased.score,
            "entropy": found.Entropy.score,
        }
        self._gradnorm = found.GradNorm(model.fc, param_filter=lambda name: name == "weight")
        self._gradnorm.to("cpu")

    def __call__(self, logits: np.ndarray, features: np.ndarray) -> dict[str, np.ndarray]:
        """Every score, by name; shape (N,), large means unknown.

        Args:
            logits: float32, shape (N, classes).
            features: float32, shape (N, features).
        """
        inner, out = torch.from_numpy(features), torch.from_numpy(logits)
        scores: dict[str, Tensor] = {n: score(out) for n, score in self._of_logits.items()}
        scores["GradNorm"] = self._gradnorm.predict(inner)
        for name, detector in self._of_features.items():
            predict = (
                detector.predict_feature_maps if name == "ReAct" else detector.predict_features
            )
            scores[name] = predict(inner)
        scores["RMD"] = self._rmd.predict_features(inner.double())
        return {name: scores[name].detach().numpy() for name in (*SHARED, *FITTED)}


def gen(logits: np.ndarray) -> np.ndarray:
    """GEN of pytorch-ood, shape (N,): its mean over classes times their number, as ours."""
    return detectors().GEN.score(torch.from_numpy(logits)).numpy() * logits.shape[1]
