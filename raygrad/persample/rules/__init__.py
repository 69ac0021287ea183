"""The rules, as a table: autograd node -> input -> rule.

To add a family: one file here, one line in ``RULES``, one case in tests/persample/cases.py.
"""

from raygrad.persample.rules.convolution import CONVOLUTION
from raygrad.persample.rules.elementwise import (
    ADD,
    ADDCMUL,
    DIV,
    EXPAND,
    MUL,
    POW,
    PRELU,
    REPEAT,
    RSUB,
    SUB,
    WHERE,
)
from raygrad.persample.rules.embedding import EMBEDDING, EMBEDDING_BAG, INDEX
from raygrad.persample.rules.inplace import COPY_SLICES
from raygrad.persample.rules.linear import ADDMM, BADDBMM, BMM, GROUPED, LINEAR, MM, MV
from raygrad.persample.rules.normalization import BATCH_NORM, GROUP_NORM, LAYER_NORM, RMS_NORM
from raygrad.persample.rules.rule import Rule, Use

__all__ = ["RULES", "Rule", "Use"]

RULES: dict[str, dict[int, Rule]] = {
    "AddmmBackward0": ADDMM,
    "MmBackward0": MM,
    "BmmBackward0": BMM,
    "BaddbmmBackward0": BADDBMM,
    "MvBackward0": MV,
    "LinearBackward0": LINEAR,
    "GroupedMmBackward0": GROUPED,
    "ConvolutionBackward0": CONVOLUTION,
    "NativeBatchNormBackward0": BATCH_NORM,
    "CudnnBatchNormBackward0": BATCH_NORM,
    "NativeLayerNormBackward0": LAYER_NORM,
    "NativeGroupNormBackward0": GROUP_NORM,
    "FusedRmsNormBackward0": RMS_NORM,
    "EmbeddingBackward0": EMBEDDING,
    "EmbeddingBagBackward0": EMBEDDING_BAG,
    "IndexBackward0": INDEX,
    "AddBackward0": ADD,
    "SubBackward0": SUB,
    "RsubBackward0": RSUB,
    "MulBackward0": MUL,
    "DivBackward0": DIV,
    "AddcmulBackward0": ADDCMUL,
    "PreluKernelBackward0": PRELU,
    "PowBackward1": POW,
    "ExpandBackward0": EXPAND,
    "WhereBackward0": WHERE,
    "RepeatBackward0": REPEAT,
    "torch::autograd::CopySlices": COPY_SLICES,
}
