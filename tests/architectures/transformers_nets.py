"""Language models of transformers, built from small random configurations.

``BUILD`` maps a name to a function of the number of samples that gives the model, from a batch to
logits, and the batch: token ids of shape (N, T) and, where the model is fit for it, an attention
mask that pads the second sample.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

VOCABULARY, TOKENS, PADDING, END = 50, 7, 0, 1
SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
    "num_labels": 4,
    "pad_token_id": PADDING,
    "bos_token_id": 2,
    "eos_token_id": END,
    "initializer_range": 0.2,
}
Built = tuple[nn.Module, dict[str, Tensor]]


class TextLogits(nn.Module):
    """From a batch to logits of shape (N, C): the head's, or the mean of the hidden states."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Logits of shape (N, C)."""
        found = self.net(**batch, return_dict=True)
        return found.logits if hasattr(found, "logits") else found.last_hidden_state.mean(1)


def _text(samples: int, *, padded: bool) -> dict[str, Tensor]:
    batch = {"input_ids": torch.randint(5, VOCABULARY, (samples, TOKENS))}
    batch["input_ids"][:, TOKENS - 3] = END  # BART classifies at this token
    if padded:
        mask = torch.ones(samples, TOKENS, dtype=torch.long)
        mask[1, TOKENS - 2 :] = 0
        batch["input_ids"] = batch["input_ids"].masked_fill(mask == 0, PADDING)
        batch["attention_mask"] = mask
    return batch


def _model(
    config: str, model: str, *, padded: bool = True, **settings: object
) -> Callable[[int], Built]:
    """A class of transformers with its configuration's class.

    Args:
        config: Name of the configuration's class.
        model: Name of the model's class.
        padded: Whether the second sample is padded.
        settings: What the configuration says beyond or instead of ``SMALL``; None leaves a key out.
    """

    def build(samples: int) -> Built:
        import transformers

        wanted = {k: v for k, v in {**SMALL, **settings}.items() if v is not None}
        net = getattr(transformers, model)(getattr(transformers, config)(**wanted))
        return TextLogits(net), _text(samples, padded=padded)

    return build


def _sequence(name: str, *, padded: bool = True, **settings: object) -> Callable[[int], Built]:
    return _model(f"{name}Config", f"{name}ForSequenceClassification", padded=padded, **settings)


def _wav2vec2(samples: int) -> Built:
    import transformers

    # its positional convolution is weight-normalised
    config = transformers.Wav2Vec2Config(
        **SMALL, conv_dim=(8, 8), conv_kernel=(10, 3), conv_stride=(5, 2),
        num_feat_extract_layers=2, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
        classifier_proj_size=8,        feat_extract_norm="layer",
    )  # fmt: skip
    net = transformers.Wav2Vec2ForSequenceClassification(config)
    return TextLogits(net), {"input_values": torch.randn(samples, 200)}


def in_float64(model: nn.Module) -> nn.Module:
    """A copy in float64; experts are looped over there, as grouped_mm knows no float64."""
    double = copy.deepcopy(model).double()
    for module in double.modules():
        if hasattr(module, "set_experts_implementation") and module.base_model is module:
            module.set_experts_implementation("eager")
    return double


GROUPED = {"num_key_value_heads": 1, "head_dim": 8}
EXPERTS = {"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2}

BUILD: dict[str, Callable[[int], Built]] = {
    # encoders
    "bert": _sequence("Bert"),
    "roberta": _sequence("Roberta"),
    "distilbert": _sequence("DistilBert", dim=16, hidden_dim=32, n_layers=2, n_heads=2),
    "albert": _sequence("Albert", embedding_size=8),
    "electra": _sequence("Electra", embedding_size=8),
    "deberta": _sequence("Deberta", relative_attention=True, pos_att_type=["c2p", "p2c"],
                         pooler_hidden_size=16, max_relative_positions=8),
    "deberta-v2": _sequence("DebertaV2", relative_attention=True, pos_att_type=["c2p", "p2c"],
                            pooler_hidden_size=16, position_buckets=4, share_att_key=True,
                            norm_rel_ebd="layer_norm", conv_kernel_size=3),
    "mpnet": _sequence("MPNet"),
    "xlnet": _sequence("XLNet", max_position_embeddings=None, num_hidden_layers=None,
                       d_model=16, n_layer=2, n_head=2, d_inner=32),
    "funnel": _sequence("Funnel", num_hidden_layers=None, d_model=16, n_head=2, d_head=8,
                        d_inner=32, block_sizes=[1, 1]),
    "convbert": _sequence("ConvBert", embedding_size=16, conv_kernel_size=3, head_ratio=1),
    "squeezebert": _sequence("SqueezeBert", embedding_size=16, q_groups=2, k_groups=2, v_groups=2,
                             post_attention_groups=1, intermediate_groups=2, output_groups=2),
    "mobilebert": _sequence("MobileBert", embedding_size=16, intra_bottleneck_size=16,
                            true_hidden_size=16),
    "ibert": _sequence("IBert"),
    "fnet": _sequence("FNet", padded=False),
    "modernbert": _sequence("ModernBert", local_attention=4, cls_token_id=1, sep_token_id=2),
    "longformer": _sequence("Longformer", attention_window=[4, 4]),
    "bigbird": _sequence("BigBird", attention_type="original_full"),
    "nystromformer": _sequence("Nystromformer", num_landmarks=7, segment_means_seq_len=7),
    "yoso": _sequence("Yoso", use_expectation=True),
    "roformer": _sequence("RoFormer", embedding_size=16),
    # encoders and decoders
    "t5-encoder": _model("T5Config", "T5EncoderModel", d_model=16, d_kv=8, d_ff=32, num_layers=2,
                         num_heads=2),
    "bart": _sequence("Bart", d_model=16, encoder_layers=2, decoder_layers=2,
                      encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32,
                      decoder_ffn_dim=32),
    # decoders
    "gpt2": _sequence("GPT2", n_embd=16, n_layer=2, n_head=2, n_positions=32),
    "gpt-neo": _sequence("GPTNeo", num_layers=2, num_heads=2, window_size=4,
                         attention_types=[[["global", "local"], 1]]),
    "gpt-neox": _sequence("GPTNeoX"),
    "gptj": _sequence("GPTJ", n_embd=16, n_layer=2, n_head=2, rotary_dim=4),
    "opt": _sequence("OPT", ffn_dim=32, word_embed_proj_dim=8),
    "bloom": _sequence("Bloom", n_layer=2, n_head=2),
    "falcon": _sequence("Falcon"),
    "mpt": _sequence("Mpt", d_model=16, n_heads=2, n_layers=2, max_seq_len=32),
    "phi": _sequence("Phi"),
    "llama": _sequence("Llama", **GROUPED),
    "mistral": _sequence("Mistral", sliding_window=4, **GROUPED),
    "qwen3": _sequence("Qwen3", **GROUPED),
    "gemma2": _sequence("Gemma2", **GROUPED),
    "mixtral": _sequence("Mixtral", **GROUPED, **EXPERTS),
    "qwen3-moe": _sequence("Qwen3Moe", moe_intermediate_size=16, **GROUPED, **EXPERTS),
    # sound
    "wav2vec2": _wav2vec2,
    # state spaces
    "mamba": _model("MambaConfig", "MambaModel", padded=False, state_size=4, time_step_rank=4),
    "mamba2": _model("Mamba2Config", "Mamba2Model", padded=False, state_size=4, num_heads=4,
                     head_dim=8, n_groups=1, chunk_size=4),
}  # fmt: skip
