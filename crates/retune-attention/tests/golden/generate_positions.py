"""Writes positions.json beside this file: positions as Hugging Face transformers computes them.

Run it with a Python that has transformers 5.17.0 and torch (it needs no network); the file says which versions made it:

    python crates/retune-attention/tests/golden/generate_positions.py

The same versions give the same file.
"""

import json
from pathlib import Path

import torch
import transformers
from transformers import BloomConfig, DebertaV2Config, LlamaConfig  # noqa: F401  (Bloom's module needs its configuration)
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.deberta_v2.modeling_deberta_v2 import (
    DisentangledSelfAttention,
    build_relative_position,
    make_log_bucket_position,
)
from transformers.models.distilbert.modeling_distilbert import create_sinusoidal_embeddings
from transformers.models.gptj import modeling_gptj
from transformers.models.llama import modeling_llama
from transformers.models.t5.modeling_t5 import T5Attention

DYNAMIC = {"factor": 4.0}
YARN = {"factor": 8.0, "original_max_position_embeddings": 512}
LLAMA3 = {
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
LONG = {
    "short_factor": [1.0 + 0.05 * plane for plane in range(8)],
    "long_factor": [1.0 + 0.75 * plane for plane in range(8)],
    "original_max_position_embeddings": 256,
}

# (kind, r, base, trained length, parameters, length of the longest sequence)
ROTARY = [
    ("default", 16, 10_000.0, 512, {}, 512),
    ("default", 64, 160_000.0, 8192, {}, 8192),
    ("linear", 16, 10_000.0, 512, {"factor": 2.5}, 100),
    ("dynamic", 16, 10_000.0, 512, DYNAMIC, 100),
    ("dynamic", 16, 10_000.0, 512, DYNAMIC, 512),
    ("dynamic", 16, 10_000.0, 512, DYNAMIC, 513),
    ("dynamic", 32, 1_000.0, 2048, {"factor": 2.0}, 8192),
    ("yarn", 64, 10_000.0, 4096, YARN, 100),
    ("yarn", 64, 150_000.0, 131_072, {"factor": 32.0, "original_max_position_embeddings": 4096}, 100),
    ("yarn", 16, 10_000.0, 4096, YARN | {"beta_fast": 8.0, "beta_slow": 2.0}, 100),
    ("yarn", 16, 10_000.0, 4096, YARN | {"attention_factor": 0.75}, 100),
    ("yarn", 16, 10_000.0, 4096, YARN | {"factor": 1.0}, 100),
    ("yarn", 16, 10_000.0, 4096, YARN | {"factor": 0.5}, 100),
    # The ramp begins below the first plane.
    ("yarn", 16, 10_000.0, 4096, YARN | {"original_max_position_embeddings": 32}, 100),
    # The ramp ends beyond the last plane.
    ("yarn", 8, 4.0, 4096, YARN | {"original_max_position_embeddings": 520}, 100),
    # The ramp has no width.
    ("yarn", 8, 10_000.0, 4096, YARN | {"original_max_position_embeddings": 16, "beta_fast": 4.0, "beta_slow": 3.5}, 100),
    ("llama3", 64, 500_000.0, 131_072, LLAMA3, 100),
    ("llama3", 128, 500_000.0, 131_072, LLAMA3 | {"factor": 32.0}, 100),
    ("llama3", 32, 10_000.0, 4096, LLAMA3 | {"low_freq_factor": 2.0, "high_freq_factor": 16.0,
                                             "original_max_position_embeddings": 1024}, 100),
    ("longrope", 16, 10_000.0, 4096, LONG | {"factor": 16.0}, 256),
    ("longrope", 16, 10_000.0, 4096, LONG | {"factor": 16.0}, 257),
    ("longrope", 16, 10_000.0, 4096, LONG | {"factor": 16.0, "attention_factor": 1.25}, 100),
    ("longrope", 16, 10_000.0, 4096, LONG | {"factor": 1.0}, 100),
    ("longrope", 16, 10_000.0, 4096, LONG | {"factor": 0.5}, 300),
]


def rotary(kind, size, base, trained, parameters, length):
    config = LlamaConfig(
        hidden_size=size,
        num_attention_heads=1,
        head_dim=size,
        max_position_embeddings=trained,
        rope_parameters={"rope_type": kind, "rope_theta": base} | parameters,
    )
    if kind == "default":
        frequencies, factor = modeling_llama.LlamaRotaryEmbedding.compute_default_rope_parameters(config)
    else:
        frequencies, factor = ROPE_INIT_FUNCTIONS[kind](config, None, seq_len=length)
    return {
        "kind": kind,
        "rotated": size,
        "base": base,
        "trained": parameters.get("original_max_position_embeddings", trained),
        "parameters": parameters,
        "longest": length,
        "frequencies": [float(frequency) for frequency in frequencies],
        "attention_factor": float(factor),
    }


def heads(tokens, count, size):
    """Numbers that both sides compute: [1, t, h, k]."""
    return torch.arange(tokens * count * size, dtype=torch.float64).sin().view(1, tokens, count, size)


def rotations():
    """Vectors rotated in both kinds of planes, with four of six dimensions rotated in the second."""
    positions = torch.tensor([[0, 1, 2, 0, 7]])
    x = heads(5, 2, 4)
    angle = positions[..., None].double() * 10_000.0 ** -torch.tensor([0.0, 0.5], dtype=torch.float64)  # [1, t, r/2]
    twice = torch.cat((angle, angle), dim=-1)
    halves, _ = modeling_llama.apply_rotary_pos_emb(x, x, twice.cos(), twice.sin(), unsqueeze_dim=2)
    wide = heads(5, 2, 6)
    turned = modeling_gptj.apply_rotary_pos_emb(wide[..., :4], angle.sin(), angle.cos())
    adjacent = torch.cat((turned, wide[..., 4:]), dim=-1)
    return {
        "positions": positions[0].tolist(),
        "base": 10_000.0,
        "rotated": 4,
        "halves": halves[0].tolist(),
        "adjacent_of_six": adjacent[0].tolist(),
    }


def edges(numbers, buckets):
    """Where a list of buckets changes: (number, bucket) of the first of each stretch of equal ones."""
    return [
        [int(number), int(bucket)]
        for place, (number, bucket) in enumerate(zip(numbers, buckets))
        if place == 0 or buckets[place - 1] != bucket
    ]


def t5(count, max_distance, bidirectional):
    offsets = torch.arange(-1100, 1101)
    buckets = T5Attention._relative_position_bucket(offsets, bidirectional, count, max_distance)
    return {
        "count": count,
        "max_distance": max_distance,
        "bidirectional": bidirectional,
        "last": 1100,
        "edges": edges(offsets.tolist(), buckets.tolist()),
    }


def deberta(buckets, max_distance):
    """Rows of the table of relative positions, as `disentangled_attention_bias` clamps them."""
    distances = torch.arange(-1100, 1101)
    span = buckets or max_distance
    places = make_log_bucket_position(distances, buckets, max_distance) if buckets else distances
    rows = torch.clamp(places.long() + span, 0, 2 * span - 1)
    return {
        "buckets": buckets,
        "max_distance": max_distance,
        "span": span,
        "last": 1100,
        "edges": edges(distances.tolist(), rows.tolist()),
    }


def disentangled(terms):
    """The bias of one sequence of seven tokens, from queries, keys and tables that both sides compute."""
    size, count, tokens, span = 4, 2, 7, 4
    config = DebertaV2Config(
        hidden_size=size * count,
        num_attention_heads=count,
        relative_attention=True,
        position_buckets=span,
        max_relative_positions=8,
        pos_att_type=terms,
        share_att_key=False,
    )
    attention = DisentangledSelfAttention(config).double().eval()
    table = torch.arange(2 * span * size * count, dtype=torch.float64).view(2 * span, size * count).cos()
    for name, factor in [("pos_key_proj", 1.0), ("pos_query_proj", 0.5)]:
        if hasattr(attention, name):
            projection = getattr(attention, name)
            torch.nn.init.zeros_(projection.bias)
            projection.weight.data.copy_(factor * torch.eye(size * count))
    q = heads(tokens, count, size)[0].transpose(0, 1)  # [h, t, k]
    k = 0.7 * heads(tokens, count, size)[0].transpose(0, 1).flip(1)
    places = build_relative_position(q, k, bucket_size=span, max_position=8)
    with torch.no_grad():
        bias = attention.disentangled_attention_bias(q, k, places, table, 1 + len(terms))
    return {"terms": terms, "bias": bias.tolist()}


def main():
    sinusoidal = torch.empty(40, 12)
    create_sinusoidal_embeddings(40, 12, sinusoidal)
    alibi = {
        str(count): build_alibi_tensor(torch.ones(1, 2, dtype=torch.int64), count, torch.float32)[:, 0, 1].tolist()
        for count in [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 32]
    }
    document = {
        "made_by": f"transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}",
        "rotary": [rotary(*case) for case in ROTARY],
        "rotations": rotations(),
        "sinusoidal": sinusoidal.tolist(),
        "t5_buckets": [
            t5(32, 128, True), t5(32, 128, False), t5(8, 20, True), t5(16, 1000, True), t5(10, 64, False), t5(4, 8, False),
        ],
        "deberta_rows": [deberta(256, 512), deberta(32, 128), deberta(8, 20), deberta(0, 512), deberta(0, 20)],
        "disentangled": [disentangled(terms) for terms in (["c2p", "p2c"], ["c2p"], ["p2c"])],
        "alibi_slopes": alibi,
    }
    lines = ["{"]
    for name, value in document.items():
        comma = "" if name == list(document)[-1] else ","
        if isinstance(value, list) and isinstance(value[0], dict):
            lines.append(f"  {json.dumps(name)}: [")
            lines.extend(f"    {json.dumps(item)}{',' if item is not value[-1] else ''}" for item in value)
            lines.append(f"  ]{comma}")
        else:
            lines.append(f"  {json.dumps(name)}: {json.dumps(value)}{comma}")
    lines.append("}")
    Path(__file__).with_name("positions.json").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
