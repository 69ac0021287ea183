"""The sections of a job's spec."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from raygrad.losses import LOSSES
from raygrad.spec.values import IndexOrAttribute, LossName, OneOrMore, OneOrTwo


class Section(BaseModel):
    """What all sections have in common: no unknown keys, no changes, no conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SourceSpec(Section):
    """Files of one format, whose rows all share the constants."""

    path: OneOrMore = Field(
        description="Path, URI or glob, or a list of them. @FILE reads them from a text file, one "
        "a line."
    )
    format: str = Field("parquet", description="How the files are read.")
    constants: dict[str, Any] = Field(
        default_factory=dict, description="Hive partition keys of the table and their values."
    )


class FieldSpec(Section):
    """One argument of the model: the column that it comes from and how it becomes a tensor."""

    column: str = Field(description="The source's column.")
    decode: Literal["image", "tensor"] = Field(
        "tensor",
        description="image: encoded bytes, or paths or URIs of image files; tensor: numbers, "
        "lists, fixed-shape tensors or bytes of .npy files.",
    )
    mode: Literal["L", "RGB"] = Field("RGB", description="An image's channels: grey or colour.")
    shape: list[Annotated[int, Field(gt=0)]] | None = Field(
        None, description="Shape of one sample, images as (C, H, W); by default that of the first."
    )
    resize: OneOrTwo = Field(
        None, description="Length of an image's shorter side, or [height, width]."
    )
    crop: OneOrTwo = Field(
        None, description="Side of the square at an image's centre, or [height, width]."
    )
    transform: str | None = Field(
        None, description="module:function from a Pillow image to an array (C, H, W)."
    )
    rescale: float | None = Field(
        None, description="Multiplies the values; 1/255 for images by default."
    )
    mean: Annotated[list[float], Field(min_length=1)] | None = Field(
        None, description="Subtracted for each channel, rescaled."
    )
    std: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] | None = Field(
        None, description="Divides each channel, rescaled."
    )
    dtype: Literal["float32", "int64", "int32", "bool"] | None = Field(
        None, description="What the model gets; float32 for images and floats by default."
    )


class ModelSpec(Section):
    """How each actor makes its replica of the model."""

    factory: str = Field(
        description="torchvision:NAME, timm:NAME, huggingface:FOLDER or huggingface:ID; or "
        "module:function, yours, that returns a torch.nn.Module."
    )
    arguments: dict[str, Any] = Field(
        default_factory=dict,
        description="Keyword arguments of the factory. Networks by name take pretrained: true, "
        "which fetches trained weights; else nothing is downloaded but a Hugging Face id's "
        "configuration.",
    )
    checkpoint: str | None = Field(
        None, description="Path or URI of the weights: .safetensors, or a saved state dict."
    )
    checkpoint_key: str | None = Field(
        None,
        min_length=1,
        description="Where a training checkpoint holds the state dict, as state_dict or ema.model.",
    )
    allow_pickle: bool = Field(
        False,
        description="Lets a checkpoint that is a pickle run code, any code that its author put "
        "there. Only for files of people whom you trust.",
    )
    logits: IndexOrAttribute = Field(
        None, description="Index or attribute of the model's output that holds the logits."
    )


class LossSpec(Section):
    """What is differentiated. A name alone, as in `loss: uniform`, stands for a section."""

    name: LossName = Field(
        description="One of the losses below; or module:function, yours, from logits (N, C) to one "
        "loss a sample, (N,)."
    )
    temperature: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        description="Divides the logits before the loss; that of the last layer's scores, too.",
    )
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="Keyword arguments of the loss."
    )

    @property
    def takes_labels(self) -> bool:
        """Whether the loss needs the column of true classes."""
        return self.name in LOSSES and LOSSES[self.name].takes_labels


class ActorsSpec(Section):
    """The pool of scoring processes."""

    min: int = Field(1, ge=1, description="How many there are at least.")
    max: int | None = Field(
        None, ge=1, description="By default one a GPU, or one for each two CPUs."
    )
    cpus: float = Field(0.5, gt=0, description="CPUs that an actor reserves; whole ones thread.")
    gpus: float | None = Field(
        None, ge=0, description="GPUs that an actor reserves; by default 1 where there are any."
    )
    accelerator: str | None = Field(
        None, description="The GPUs' kind, as Ray calls it: A100, H100, L4, T4, ..."
    )
