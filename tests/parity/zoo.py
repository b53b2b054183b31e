#!/usr/bin/env python3
"""Every architecture and head as Hugging Face Transformers computes them, on tiny configurations that exercise their options.

  zoo.py dump --out DIR [--only bert roberta …] [--seed 1]
      For each variant and head: DIR/VARIANT/HEAD/ as save_pretrained writes it, with random weights, and
      DIR/VARIANT/HEAD.safetensors, the reference: inputs, hidden states, pooled vectors, logits, loss, gradients, and
      the logits under bfloat16 autocast.

  zoo.py golden --out DIR [--only bert roberta …]
      The same for the first variant of each architecture, with the weights of ../golden/formula.py, which need not be
      stored: DIR/VARIANT.HEAD.json (the configuration) and DIR/VARIANT.HEAD.safetensors.

  zoo.py check --dump DIR
      Loads DIR/VARIANT/HEAD.retune, which retune wrote, as a user would, and prints one JSON line of the largest difference
      of each one's logits from the reference. A warning, or a key that is missing or unexpected, is an error.

A new architecture is a line or more in VARIANTS. Each sequence is computed alone, without padding: what a padded batch
computes for it, where that is right. fp32, eager attention, no dropout. Nothing here needs a network.

Notation: b sequences, t tokens, d hidden size, c outputs. Keys of a reference (packed: the sequences end to end):
input_ids, token_type_ids [t]; cu_seqlens [b + 1]; labels (below); hidden_states.N [t, d] (sequence classification alone);
attentions.N [sum of h·l·l] (likewise); pooled [n, d]; logits [n, c]; loss []; gradient.NAME; bf16.logits [n, c]; n is b or t.

Losses: cross-entropy; token classification and masked language modelling over the tokens whose label is not -100; question
answering the mean of start's and end's, over each sequence's own tokens; multiple choice over pairs of sequences.
"""

import argparse
import inspect
import json
import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig
from transformers.core_model_loading import revert_weight_conversion

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "golden"))
import formula

HEADS = {
    "sequence_classification": ("AutoModelForSequenceClassification", 3),
    "token_classification": ("AutoModelForTokenClassification", 4),
    "question_answering": ("AutoModelForQuestionAnswering", 2),
    "masked_language_model": ("AutoModelForMaskedLM", None),
    "multiple_choice": ("AutoModelForMultipleChoice", None),
}
CHOICES = 2
LENGTHS = [7, 1, 12, 5, 19, 5, 30, 3]

# What most architectures call the same. Two layers or more, so that shared and alternating ones differ.
COMMON = {
    "vocab_size": 61,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "classifier_dropout": 0.0,
}

DISTILBERT = {
    "vocab_size": 61,
    "dim": 16,
    "n_layers": 2,
    "n_heads": 4,
    "hidden_dim": 24,
    "max_position_embeddings": 40,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "qa_dropout": 0.0,
    "seq_classif_dropout": 0.0,
}
ELECTRA = COMMON | {"embedding_size": 12, "summary_last_dropout": 0.0}
ALBERT = COMMON | {"embedding_size": 12, "classifier_dropout_prob": 0.0}
DEBERTA = COMMON | {"relative_attention": True, "layer_norm_eps": 1e-7}
# Four layers, of which two look at a window shorter than the longer sequences.
MODERNBERT = COMMON | {"num_hidden_layers": 4, "local_attention": 8, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
YARN = {"rope_type": "yarn", "rope_theta": 500.0, "factor": 4.0, "original_max_position_embeddings": 10}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 80.0, "factor": 8.0, "original_max_position_embeddings": 16, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LONGROPE = {"rope_type": "longrope", "rope_theta": 80.0, "factor": 2.0, "original_max_position_embeddings": 35, "short_factor": [1.1, 1.6], "long_factor": [2.0, 7.0]}

# (architecture, variant, configuration). The first variant of each architecture is its golden.
VARIANTS = [
    ("bert", "bert", COMMON | {"type_vocab_size": 2}),
    ("bert", "bert-gelu_new-eps", COMMON | {"hidden_act": "gelu_new", "layer_norm_eps": 1e-3, "num_attention_heads": 2}),
    ("bert", "bert-relu-one_layer", COMMON | {"hidden_act": "relu", "num_hidden_layers": 1, "type_vocab_size": 4}),
    ("bert", "bert-silu", COMMON | {"hidden_act": "silu"}),
    ("roberta", "roberta", COMMON | {"pad_token_id": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5}),
    ("roberta", "roberta-pad3-gelu_new", COMMON | {"pad_token_id": 3, "type_vocab_size": 2, "hidden_act": "gelu_new"}),
    ("xlm-roberta", "xlm-roberta", COMMON | {"pad_token_id": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5}),
    ("camembert", "camembert", COMMON | {"pad_token_id": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5}),
    ("distilbert", "distilbert", DISTILBERT),
    ("distilbert", "distilbert-relu-one_layer", DISTILBERT | {"activation": "relu", "sinusoidal_pos_embds": True, "n_layers": 1}),
    ("distilbert", "distilbert-gelu_new-untied", DISTILBERT | {"activation": "gelu_new", "n_heads": 2, "tie_word_embeddings": False}),
    ("mpnet", "mpnet", COMMON | {"pad_token_id": 1}),
    ("mpnet", "mpnet-40_buckets-gelu_new", COMMON | {"pad_token_id": 1, "relative_attention_num_buckets": 40, "hidden_act": "gelu_new", "layer_norm_eps": 1e-3}),
    ("mpnet", "mpnet-two_heads-untied", COMMON | {"pad_token_id": 1, "num_attention_heads": 2, "tie_word_embeddings": False}),
    ("electra", "electra", ELECTRA),
    ("electra", "electra-equal_sizes-last", ELECTRA | {"embedding_size": 16, "summary_type": "last", "summary_activation": "tanh"}),
    ("electra", "electra-mean-relu-eps", ELECTRA | {"summary_type": "mean", "hidden_act": "relu", "layer_norm_eps": 1e-3, "type_vocab_size": 4}),
    ("electra", "electra-cls_index-untied", ELECTRA | {"summary_type": "cls_index", "summary_use_proj": False, "tie_word_embeddings": False}),
    ("electra", "electra-no_activation", ELECTRA | {"summary_activation": "", "num_hidden_layers": 1}),
    ("albert", "albert", ALBERT),
    ("albert", "albert-gelu-eps-untied", ALBERT | {"hidden_act": "gelu", "layer_norm_eps": 1e-3, "embedding_size": 16, "tie_word_embeddings": False}),
    ("albert", "albert-two_groups", ALBERT | {"num_hidden_layers": 6, "num_hidden_groups": 2, "type_vocab_size": 4}),
    ("albert", "albert-two_groups-two_inner", ALBERT | {"num_hidden_groups": 2, "inner_group_num": 2, "num_attention_heads": 2}),
    ("albert", "albert-unused_group", ALBERT | {"num_hidden_groups": 3}),
    ("deberta-v2", "deberta-v2", DEBERTA | {"pos_att_type": "p2c|c2p", "share_att_key": True, "position_buckets": 8, "norm_rel_ebd": "layer_norm", "position_biased_input": False}),
    ("deberta-v2", "deberta-v2-c2p-segments", DEBERTA | {"pos_att_type": ["c2p"], "max_relative_positions": 6, "type_vocab_size": 2, "pooler_hidden_act": "tanh"}),
    ("deberta-v2", "deberta-v2-p2c-buckets", DEBERTA | {"pos_att_type": ["p2c"], "position_buckets": 6, "max_relative_positions": 20, "position_biased_input": False}),
    ("deberta-v2", "deberta-v2-own_keys-relu", DEBERTA | {"pos_att_type": ["c2p", "p2c"], "hidden_act": "relu", "num_attention_heads": 2, "layer_norm_eps": 1e-3}),
    ("deberta-v2", "deberta-v2-absolute", DEBERTA | {"relative_attention": False, "pos_att_type": ["c2p"], "type_vocab_size": 4}),
    ("deberta-v2", "deberta-v2-conv3", DEBERTA | {"pos_att_type": ["p2c", "c2p"], "share_att_key": True, "position_buckets": 8, "conv_kernel_size": 3, "conv_act": "gelu", "type_vocab_size": 2}),
    ("deberta-v2", "deberta-v2-conv5-embed_proj", DEBERTA | {"pos_att_type": ["c2p"], "conv_kernel_size": 5, "conv_groups": 2, "embedding_size": 12, "type_vocab_size": 2}),
    # Said to be untied, without which from_pretrained fails (5.17); this head reads the word embeddings in any case.
    ("deberta-v2", "deberta-v2-lm_predictions", DEBERTA | {"pos_att_type": ["p2c", "c2p"], "share_att_key": True, "legacy": False, "tie_word_embeddings": False, "norm_rel_ebd": "layer_norm"}),
    ("modernbert", "modernbert", MODERNBERT),
    ("modernbert", "modernbert-biases-mean-odd", MODERNBERT | {"norm_bias": True, "attention_bias": True, "mlp_bias": True, "classifier_bias": True, "decoder_bias": False, "classifier_pooling": "mean", "local_attention": 7}),
    ("modernbert", "modernbert-thetas-untied", MODERNBERT | {"global_attn_every_n_layers": 2, "global_rope_theta": 500.0, "local_rope_theta": 30.0, "classifier_activation": "silu", "hidden_activation": "gelu_new", "norm_eps": 1e-3, "tie_word_embeddings": False}),
    ("modernbert", "modernbert-types-yarn-linear", MODERNBERT | {"num_hidden_layers": 3, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"], "rope_parameters": {"full_attention": YARN, "sliding_attention": {"rope_type": "linear", "factor": 2.0}}}),
    ("modernbert", "modernbert-llama3-longrope", MODERNBERT | {"num_hidden_layers": 2, "rope_parameters": {"full_attention": LLAMA3, "sliding_attention": LONGROPE}}),
    ("nomic_bert", "nomic_bert", COMMON),
    ("nomic_bert", "nomic_bert-linear-untied", COMMON | {"head_dim": 6, "hidden_act": "gelu", "type_vocab_size": 4, "tie_word_embeddings": False, "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 50.0}}),
    ("nomic_bert", "nomic_bert-yarn", COMMON | {"rope_parameters": YARN | {"mscale": 0.7, "mscale_all_dim": 0.4, "beta_fast": 8.0, "beta_slow": 0.5}}),
    ("nomic_bert", "nomic_bert-llama3-eps", COMMON | {"layer_norm_eps": 1e-3, "rope_parameters": LLAMA3}),
    ("nomic_bert", "nomic_bert-longrope", COMMON | {"rope_parameters": LONGROPE | {"attention_factor": 1.2}}),
]


def token(row, position, config):
    """Any token but the padding token, which has no gradient in Transformers."""
    pad = config.pad_token_id or 0
    found = (31 * row + 17 * position + 5 * row * position + 7 * position**2) % (config.vocab_size - 1)
    return found + (found >= pad)


def inputs(config):
    """Sequences of tokens and of segments."""
    segments = getattr(config, "type_vocab_size", 0) or 0
    sequences = [[token(row, place, config) for place in range(length)] for row, length in enumerate(LENGTHS)]
    types = [[int(segments > 1 and place >= length // 2) for place in range(length)] for length in LENGTHS]
    return sequences, types


def labels_of(head, sequences, outputs):
    rows = range(len(sequences))
    if head == "sequence_classification":
        return torch.tensor([(3 * row + 1) % outputs for row in rows])  # [b]
    if head == "multiple_choice":
        return torch.tensor([row % CHOICES for row in range(len(sequences) // CHOICES)])  # [b / choices]
    if head == "question_answering":  # start and end within the sequence: [b, 2]
        return torch.tensor([[len(s) // 3, min(len(s) - 1, len(s) // 3 + row % 4)] for row, s in enumerate(sequences)])
    return torch.tensor(  # a third of the tokens has no label: [t]
        [-100 if (row + place) % 3 == 0 else (5 * row + 7 * place) % outputs for row in rows for place in range(len(sequences[row]))]
    )


def loss_of(head, logits, labels, bounds):
    if head == "multiple_choice":
        return F.cross_entropy(logits.view(-1, CHOICES), labels)
    if head == "question_answering":
        parts = [
            F.cross_entropy(logits[a:b, side].unsqueeze(0), labels[row, side].unsqueeze(0))
            for row, (a, b) in enumerate(zip(bounds, bounds[1:]))
            for side in (0, 1)
        ]
        return torch.stack(parts).mean()
    return F.cross_entropy(logits, labels)


def forward(model, head, sequences, types, hidden_states=False):
    """Logits [n, c], what the output layer reads [n, d'], the hidden states, packed, and the weights of attention: for each
    layer those of all sequences, [h, l, l] each, end to end."""
    known = inspect.signature(model.forward).parameters
    seen, logits, pooled, states, weights = [], [], [], [], []
    hooks = [
        module.register_forward_hook(lambda _module, given, _output: seen.append(given[0]))
        for module in model.modules()
        if isinstance(module, torch.nn.Linear)
    ] + [  # DeBERTa's newer output layer is no module: it reads what the last norm gives.
        module.register_forward_hook(lambda _module, _given, output: seen.append(output))
        for module in model.modules()
        if isinstance(module, torch.nn.LayerNorm)
    ]
    for ids, kinds in zip(sequences, types):
        given = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
        if "token_type_ids" in known:
            given["token_type_ids"] = torch.tensor([kinds])
        if head == "multiple_choice":  # one sequence is one question of one choice: [1, 1, l]
            given = {name: value.unsqueeze(1) for name, value in given.items()}
        output = model(**given, output_hidden_states=hidden_states, output_attentions=hidden_states)
        if head == "question_answering":
            logits.append(torch.stack([output.start_logits[0], output.end_logits[0]], -1))  # [l, 2]
        elif head in ("token_classification", "masked_language_model"):
            logits.append(output.logits[0])  # [l, c]
        else:
            logits.append(output.logits)  # [1, c]
        pooled.append(seen[-1].reshape(-1, seen[-1].shape[-1]))
        states.append([state[0] for state in output.hidden_states] if hidden_states else [])
        weights.append([layer.flatten() for layer in output.attentions] if hidden_states else [])
    for hook in hooks:
        hook.remove()
    layers = [[torch.cat(layer) for layer in zip(*kind)] for kind in (states, weights)]
    return torch.cat(logits), torch.cat(pooled), *layers


def as_stored(model, tensors):
    """Parameters, or their gradients, under the names and in the shapes that save_pretrained gives them."""
    return revert_weight_conversion(model, tensors)


def parameters(model):
    """Every parameter once, tied ones under the name that is saved."""
    tied = set(model.all_tied_weights_keys)
    return [pair for pair in model.named_parameters(remove_duplicate=False) if pair[0] not in tied]


def reference(model, head):
    sequences, types = inputs(model.config)
    bounds = torch.tensor([0] + [len(ids) for ids in sequences]).cumsum(0)
    first = head == "sequence_classification"
    logits, pooled, states, weights = forward(model, head, sequences, types, hidden_states=first)
    labels = labels_of(head, sequences, logits.shape[-1])
    loss = loss_of(head, logits, labels, bounds.tolist())
    loss.backward()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half, *_ = forward(model, head, sequences, types)
    record = {
        "input_ids": torch.tensor([token for ids in sequences for token in ids]),
        "token_type_ids": torch.tensor([kind for kinds in types for kind in kinds]),
        "cu_seqlens": bounds,
        "labels": labels,
        "pooled": pooled,
        "logits": logits,
        "loss": loss,
        "bf16.logits": half.float(),
    }
    record |= {f"hidden_states.{layer}": state for layer, state in enumerate(states)}
    record |= {f"attentions.{layer}": layer_weights for layer, layer_weights in enumerate(weights)}
    record |= {
        f"gradient.{name}": gradient
        for name, gradient in as_stored(
            model,
            {
                name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                for name, parameter in parameters(model)
            },
        ).items()
    }
    return {name: value.detach().clone().contiguous() for name, value in record.items()}


def variants(only):
    """Those of the architectures in `only`, or all."""
    known = {architecture for architecture, _, _ in VARIANTS}
    if only and set(only) - known:
        sys.exit(f"error: no architecture {', '.join(sorted(set(only) - known))}; there are {', '.join(sorted(known))}")
    return [variant for variant in VARIANTS if not only or variant[0] in only]


def models(chosen, fill):
    """Every variant with every head that Transformers has for it."""
    for architecture, variant, values in chosen:
        for head, (auto, outputs) in HEADS.items():
            config = AutoConfig.for_model(architecture, **values, **({"num_labels": outputs} if outputs else {}))
            auto = getattr(transformers, auto)
            if type(config) not in auto._model_mapping:
                continue
            model = auto.from_config(config, attn_implementation="eager").eval()
            fill(model)
            # As save_pretrained does, which golden files do not pass through.
            model.config.architectures = [type(model).__name__]
            yield variant, head, model


@torch.no_grad()
def randomise(model):
    """Large enough that attention is not uniform and no activation linear, unlike at initialisation; small enough that what
    goes through a layer keeps its size, as in trained models, and rounding does too."""
    for name, parameter in parameters(model):
        draw = torch.randn_like(parameter)
        if parameter.dim() == 1:
            parameter.copy_(1 + 0.2 * draw if name.endswith(".weight") else 0.1 * draw)
        else:
            scale = 0.3 if "embeddings" in name else parameter[0].numel() ** -0.5
            parameter.copy_(scale * draw)


def dump(args):
    def fill(model):
        torch.manual_seed(args.seed)  # for each model, so that its weights do not depend on --only
        randomise(model)

    for variant, head, model in models(variants(args.only), fill):
        folder = args.out / variant
        model.save_pretrained(folder / head)
        save_file(reference(model, head), folder / f"{head}.safetensors", metadata={"format": "pt"})
    print(json.dumps({"torch": torch.__version__, "transformers": transformers.__version__}))


@torch.no_grad()
def fill_by_formula(model):
    """By the stored names: where the modules' names are others, Transformers converts as for any checkpoint."""
    own = dict(parameters(model))
    stored = as_stored(model, own)
    if stored.keys() == own.keys():
        for name, parameter in own.items():
            parameter.copy_(formula.parameter_value(name, tuple(parameter.shape)))
        return
    values = {name: formula.parameter_value(name, tuple(tensor.shape)) for name, tensor in stored.items()}
    with tempfile.TemporaryDirectory() as folder:
        model.config.save_pretrained(folder)
        save_file(values, Path(folder) / "model.safetensors", metadata={"format": "pt"})
        converted = type(model).from_pretrained(folder)
    model.load_state_dict(converted.state_dict())


def golden(args):
    firsts = {}
    for variant in variants(args.only):
        firsts.setdefault(variant[0], variant)
    for variant, head, model in models(firsts.values(), fill_by_formula):
        record = reference(model, head)
        record = {name: value for name, value in record.items() if name != "bf16.logits" and not name.startswith("attentions.")}
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / f"{variant}.{head}.json").write_text(model.config.to_json_string())
        save_file({name: record[name] for name in sorted(record)}, args.out / f"{variant}.{head}.safetensors", metadata={"format": "pt"})


class Complaints(logging.Handler):
    """Every message logged as a warning or worse."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


def check(args):
    heard = Complaints()
    transformers.utils.logging.set_verbosity_warning()
    for name in (None, "transformers", "huggingface_hub", "torch"):
        logging.getLogger(name).addHandler(heard)
    for folder in sorted(args.dump.glob("*/*.retune")):
        head = folder.stem
        # The import of an architecture's module may complain; that is not of what retune wrote.
        config = AutoConfig.from_pretrained(folder)
        getattr(transformers, HEADS[head][0])._model_mapping[type(config)]
        heard.messages = []
        with warnings.catch_warnings(record=True) as raised:
            warnings.simplefilter("always")
            auto = getattr(transformers, HEADS[head][0])
            model, info = auto.from_pretrained(folder, output_loading_info=True, attn_implementation="eager")
        complaints = heard.messages + [str(warning.message) for warning in raised]
        complaints += [f"{kind}: {sorted(found)}" for kind, found in info.items() if found]
        heard.messages = []
        with torch.no_grad():
            found, *_ = forward(model.eval(), head, *inputs(model.config))
        expected = load_file(folder.with_suffix(".safetensors"))["logits"]
        difference = (found - expected).abs().max().item()
        print(json.dumps({"variant": folder.parent.name, "head": head, "difference": difference, "complaints": complaints}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for function in (dump, golden, check):
        command = commands.add_parser(function.__name__)
        command.set_defaults(function=function)
        command.add_argument("--dump" if function is check else "--out", type=Path, required=True)
        if function is not check:
            command.add_argument("--only", nargs="+")
        if function is dump:
            command.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    torch.set_num_threads(1)  # the tensors are tiny
    args.function(args)


if __name__ == "__main__":
    main()
