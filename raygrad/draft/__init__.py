"""A first job's spec, from a look at the data and a few answers."""

from raygrad.draft.data import Data, look
from raygrad.draft.text import Answers, text

__all__ = ["Answers", "Data", "look", "text"]
