"""Makes torchvision import on a CPU build of torch."""

from collections.abc import Callable
from typing import Any

import torch


def import_torchvision() -> None:
    """Imports torchvision while ``register_fake`` ignores its operators.

    The registry's torchvision is built for CUDA. Beside a CPU build of torch its C++ operators
    (nms, roi_align) don't load, and giving them a fake implementation fails at import. No
    classification net calls them.
    """
    register_fake = torch.library.register_fake

    def ignoring_torchvision(op: Any, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        if isinstance(op, str) and op.startswith("torchvision::"):
            return lambda function: function
        return register_fake(op, *args, **kwargs)

    torch.library.register_fake = ignoring_torchvision
    try:
        import torchvision  # noqa: F401
    except ImportError:
        pass  # the cases that need it are skipped, with this as the reason
    finally:
        torch.library.register_fake = register_fake
