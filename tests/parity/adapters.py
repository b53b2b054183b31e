#!/usr/bin/env python3
"""Adapters as PEFT computes and stores them, on the tiny models of zoo.py.

  adapters.py dump --out DIR [--only bert …] [--seed 1]
      For each variant: DIR/VARIANT/base/ as save_pretrained writes it, with random weights; DIR/VARIANT/adapter/ as PEFT
      writes it, with random weights too (no part of an adapter is left as it begins); and DIR/VARIANT/reference.safetensors.

  adapters.py golden --out DIR [--only bert …]
      The same with the weights of ../golden/formula.py beside base models that golden/zoo describes and that need not be
      stored: DIR/VARIANT/adapter_config.json, adapter_model.safetensors and reference.safetensors.

  adapters.py check --dump DIR
      Loads DIR/VARIANT/retune and DIR/VARIANT/merged, an adapter and a whole model that retune wrote, as a user would, and
      prints a JSON line of the largest differences of their logits from the reference, and of what was complained of.

VARIANT is ARCHITECTURE.HEAD.NAME; ARCHITECTURE and HEAD are zoo.py's. Keys of a reference, beside zoo.py's input_ids,
token_type_ids, cu_seqlens, labels, logits and loss: trainable [], the number of trained numbers, and gradient.NAME of each
trained parameter, NAME as in the file of the adapter but for what PEFT puts before and between it.
"""

import argparse
import json
import logging
import os
import re
import sys
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from peft import IA3Config, LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

import zoo
from zoo import formula

# What a configuration of PEFT knows of the heads.
TASKS = {"sequence_classification": "SEQ_CLS", "token_classification": "TOKEN_CLS"}
OTHERS = {"question_answering": ["qa_outputs"], "multiple_choice": ["classifier"], "masked_language_model": None}


def lora(**keys):
    return lambda common: LoraConfig(**({"r": 4, "lora_alpha": 6} | common | keys))


def ia3(**keys):
    return lambda common: IA3Config(**(common | keys))


SEQUENCES, TOKENS, ANSWERS, MASKS, CHOICES = zoo.HEADS

# (architecture, head, name, configuration)
VARIANTS = [
    ("bert", SEQUENCES, "lora", lora()),
    ("bert", TOKENS, "lora", lora()),
    ("bert", ANSWERS, "lora", lora(target_modules=["query", "value"])),
    ("bert", MASKS, "lora", lora(target_modules=["query", "value"])),
    ("bert", CHOICES, "lora", lora(target_modules=["query", "value"])),
    ("bert", SEQUENCES, "rslora", lora(use_rslora=True, lora_alpha=2)),
    ("bert", SEQUENCES, "patterns", lora(target_modules=r".*\.(query|key|dense)", rank_pattern={r"layer\.1\.attention\.self\.query": 2, "query": 3}, alpha_pattern={"key": 5, "output.dense": 1})),
    ("bert", SEQUENCES, "layers", lora(target_modules=["query", "dense"], layers_to_transform=[1], exclude_modules=["output.dense"], modules_to_save=["classifier", "pooler"])),
    ("bert", SEQUENCES, "dora-all_linear", lora(target_modules="all-linear", use_dora=True)),
    ("bert", SEQUENCES, "embeddings", lora(target_modules=["word_embeddings", "position_embeddings", "query"])),
    ("bert", SEQUENCES, "dora-embeddings", lora(target_modules=["word_embeddings", "token_type_embeddings", "query"], use_dora=True)),
    ("bert", SEQUENCES, "bias_all", lora(bias="all")),
    ("bert", SEQUENCES, "ia3", ia3()),
    ("roberta", SEQUENCES, "lora", lora()),
    ("roberta", TOKENS, "ia3", ia3()),
    ("xlm-roberta", SEQUENCES, "lora", lora()),
    ("electra", SEQUENCES, "lora-all_linear", lora(target_modules="all-linear")),
    ("distilbert", SEQUENCES, "lora", lora(target_modules=["q_lin", "v_lin"])),
    ("distilbert", SEQUENCES, "ia3", ia3(target_modules=["k_lin", "v_lin", "lin2"], feedforward_modules=["lin2"])),
    ("distilbert", TOKENS, "dora-bias_all", lora(target_modules=["q_lin", "lin1"], use_dora=True, bias="all")),
    ("albert", SEQUENCES, "lora", lora(target_modules=["query", "value"])),
    ("albert", SEQUENCES, "dora-all_linear", lora(target_modules="all-linear", use_dora=True)),
    ("albert", TOKENS, "ia3", ia3(target_modules=["key", "value", "ffn_output"], feedforward_modules=["ffn_output"])),
    ("deberta-v2", SEQUENCES, "lora", lora()),
    ("deberta-v2", SEQUENCES, "lora-all_linear-bias_all", lora(target_modules="all-linear", bias="all")),
    ("deberta-v2", TOKENS, "ia3", ia3()),
    ("modernbert", SEQUENCES, "lora", lora(target_modules=["Wqkv"])),
    ("modernbert", SEQUENCES, "dora-all_linear", lora(target_modules="all-linear", use_dora=True)),
    ("modernbert", SEQUENCES, "ia3", ia3(target_modules=["Wqkv", "mlp.Wo"], feedforward_modules=["mlp.Wo"])),
    ("mpnet", SEQUENCES, "lora", lora(target_modules=["attn.q", "attn.v"])),
    ("mpnet", SEQUENCES, "bias_all", lora(target_modules=["attn.q", "attn.v"], bias="all")),
    ("mpnet", TOKENS, "ia3", ia3(target_modules=["attn.k", "attn.v", "output.dense"], feedforward_modules=["output.dense"])),
    ("camembert", ANSWERS, "lora", lora(target_modules=["query", "value"])),
]


def plain(name):
    """A parameter's name without PEFT's own parts."""
    name = name.removeprefix("base_model.model.").replace(".base_layer.", ".").replace(".modules_to_save.default.", ".")
    return re.sub(r"(lora_magnitude_vector)\.default\.weight$", r"\1", name).replace(".default", "")


def adapted(model, head, build):
    task = TASKS.get(head)
    own = {"task_type": task} if task else {"modules_to_save": OTHERS[head]}
    return get_peft_model(model, build(own))


def trained(model):
    return {plain(name): parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


@torch.no_grad()
def fill(parameters, wave):
    """Nothing stays as it begins: `wave` gives a value like that of a base model's parameter."""
    for name, parameter in parameters.items():
        value = wave(name, tuple(parameter.shape))
        if "lora_magnitude_vector" in name:
            parameter.mul_(1 + 2 * value)
        elif "ia3_l" in name:
            parameter.add_(value * 0.3)
        else:
            parameter.copy_(value)


def by_formula(name, shape):
    """Half as large as a base model's, that attention keeps away from where rounding decides."""
    return formula.parameter_value(f"trained.{name}", shape) * 0.5


def at_random(name, shape):
    draw = torch.randn(shape)
    if len(shape) == 1:
        return 1 + 0.2 * draw if name.endswith(".weight") else 0.1 * draw
    return draw * shape[-1] ** -0.5


def reference(peft, head):
    # Not the wrapper's own forward, whose signature hides the model's.
    model = peft.base_model.model
    sequences, types = zoo.inputs(model.config)
    bounds = torch.tensor([0] + [len(ids) for ids in sequences]).cumsum(0)
    logits, *_ = zoo.forward(model, head, sequences, types)
    labels = zoo.labels_of(head, sequences, logits.shape[-1])
    loss = zoo.loss_of(head, logits, labels, bounds.tolist())
    loss.backward()
    record = {
        "input_ids": torch.tensor([token for ids in sequences for token in ids]),
        "token_type_ids": torch.tensor([kind for kinds in types for kind in kinds]),
        "cu_seqlens": bounds,
        "labels": labels,
        "logits": logits,
        "loss": loss,
        "trainable": torch.tensor(peft.get_nb_trainable_parameters()[0]),
    }
    for name, parameter in trained(peft).items():
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        record[f"gradient.{name}"] = gradient
    return {name: record[name].detach().clone().contiguous() for name in sorted(record)}


def models(only, fill_base):
    """Each variant with its base model; that is the first variant of the architecture in zoo.py."""
    firsts = {}
    for variant in zoo.variants(only):
        firsts.setdefault(variant[0], variant)
    for architecture, head, name, build in VARIANTS:
        if architecture in firsts:
            # One at a time, since an adapter changes the model that it stands beside.
            _, _, model = next(made for made in zoo.models([firsts[architecture]], fill_base) if made[1] == head)
            yield f"{architecture}.{head}.{name}", head, model, build


def dump(args):
    def fill_base(model):
        torch.manual_seed(args.seed)
        zoo.randomise(model)

    for name, head, model, build in models(args.only, fill_base):
        folder = args.out / name
        model.save_pretrained(folder / "base")
        peft = adapted(model, head, build).eval()
        fill(trained(peft), at_random)
        peft.save_pretrained(folder / "adapter")
        save_file(reference(peft, head), folder / "reference.safetensors", metadata={"format": "pt"})


def golden(args):
    for name, head, model, build in models(args.only, zoo.fill_by_formula):
        folder = args.out / name
        peft = adapted(model, head, build).eval()
        fill(trained(peft), by_formula)
        peft.save_pretrained(folder)
        (folder / "README.md").unlink()
        # PEFT writes sets, whose order is another each time.
        path = folder / "adapter_config.json"
        config = json.loads(path.read_text())
        for key in ("target_modules", "feedforward_modules", "exclude_modules"):
            if isinstance(config.get(key), list):
                config[key] = sorted(config[key])
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        save_file(reference(peft, head), folder / "reference.safetensors", metadata={"format": "pt"})


def check(args):
    heard = zoo.Complaints()
    transformers.utils.logging.set_verbosity_warning()
    for name in (None, "transformers", "huggingface_hub", "torch", "peft"):
        logging.getLogger(name).addHandler(heard)
    for folder in sorted(path.parent for path in args.dump.glob("*/retune")):
        head = folder.name.split(".")[1]
        auto = getattr(transformers, zoo.HEADS[head][0])
        # The import of an architecture's module may complain; that is not of what retune wrote.
        auto._model_mapping[type(AutoConfig.from_pretrained(folder / "base"))]
        expected = load_file(folder / "reference.safetensors")["logits"]
        line = {"variant": folder.name}
        heard.messages = []
        with warnings.catch_warnings(record=True) as raised:
            warnings.simplefilter("always")
            base = auto.from_pretrained(folder / "base", attn_implementation="eager")
            read = PeftModel.from_pretrained(base, folder / "retune")
            found = read.base_model.model.eval()
            trainable = PeftModel.from_pretrained(
                auto.from_pretrained(folder / "base"), folder / "retune", is_trainable=True
            ).get_nb_trainable_parameters()[0]
            whole = auto.from_pretrained(folder / "merged", attn_implementation="eager")
        line["complaints"] = heard.messages + [str(warning.message) for warning in raised]
        line["trainable"] = trainable
        for key, model in (("difference", found), ("merged", whole)):
            with torch.no_grad():
                logits, *_ = zoo.forward(model.eval(), head, *zoo.inputs(model.config))
            line[key] = (logits - expected).abs().max().item()
        print(json.dumps(line))


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
