"""Makes the libraries import; nothing may be fetched."""

import os

from cpu_torchvision import import_torchvision

os.environ["HF_HUB_OFFLINE"] = "1"
import_torchvision()
