"""For each job in jobs/ the working directory that it expects: small data, random weights.

``PREPARE`` maps the file's name to a function that fills the working directory.
"""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.torch
import torch
from PIL import Image

from raygrad import factories

IMAGES = 3


def picture(seed: int, width: int = 320, height: int = 270) -> Image.Image:
    """A smooth colour picture, unlike noise the same after any way of resizing."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(seed: int) -> bytes:
    """A picture as a JPEG file."""
    buffer = io.BytesIO()
    picture(seed).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def network(factory: str, **arguments: object) -> torch.nn.Module:
    """A network with random weights, the same each time."""
    torch.manual_seed(0)
    return factories.make(factory, arguments).model


def gradnorm() -> None:
    for seed, folder in enumerate(("imagenet/val/n01440764", "imagenet/val/n01443537", "textures")):
        Path("data", folder).mkdir(parents=True)
        for number in range(2):
            name = f"ILSVRC2012_val_{number:08}.JPEG"
            Path("data", folder, name).write_bytes(encoded(10 * seed + number))
    Path("weights").mkdir()
    torch.save(network("torchvision:resnet50").state_dict(), "weights/resnet50.pth")


def oberdiek() -> None:
    Path("data/shards").mkdir(parents=True)
    for shard in range(2):
        with tarfile.open(f"data/shards/test-{shard}.tar", "w") as archive:
            for seed in range(IMAGES):
                for ending, content in (("jpg", encoded(seed)), ("cls", str(seed).encode())):
                    member = tarfile.TarInfo(f"{seed:04}.{ending}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    Path("weights").mkdir()
    state = network("torchvision:resnet18", num_classes=10).state_dict()
    torch.save({"epoch": 9, "state_dict": state}, "weights/last.ckpt")


def text() -> None:
    import transformers

    torch.manual_seed(0)
    config = transformers.DistilBertConfig(
        vocab_size=100, dim=32, hidden_dim=64, n_layers=2, n_heads=2, num_labels=4
    )
    transformers.DistilBertForSequenceClassification(config).save_pretrained("models/topics")
    generator = np.random.default_rng(0)
    lengths = generator.integers(5, 128, IMAGES)
    mask = (np.arange(128) < lengths[:, None]).astype(np.int64)
    ids = generator.integers(5, 100, mask.shape) * mask
    table = {
        "input_ids": pa.array(ids.tolist()),
        "attention_mask": pa.array(mask.tolist(), pa.list_(pa.int8())),
        "label": pa.array(range(IMAGES)),
        "id": [f"text {row}" for row in range(IMAGES)],
    }
    Path("data/texts").mkdir(parents=True)
    pq.write_table(pa.table(table), "data/texts/0000.parquet")


def arrive(night: str) -> None:
    """Files of one night."""
    Path("incoming", night).mkdir(parents=True)
    table = {
        "image": [encoded(seed) for seed in range(IMAGES)],
        "id": list(range(IMAGES)),
        "taken_at": [night] * IMAGES,
    }
    pq.write_table(pa.table(table), f"incoming/{night}/part-00.parquet")


def nightly() -> None:
    arrive("2026-11-24")
    Path("models").mkdir()
    model = network("timm:vit_tiny_patch16_224", num_classes=10)
    safetensors.torch.save_file(model.state_dict(), "models/v3.safetensors")


PREPARE: dict[str, Callable[[], None]] = {
    "gradnorm_imagenet.yaml": gradnorm,
    "oberdiek_layers.yaml": oberdiek,
    "text_classifier.yaml": text,
    "nightly.yaml": nightly,
}
