"""One forward and backward pass, and a short training, of a Transformers classifier: what the references record.

Notation: b sequences, s the longest one's length, t real tokens, d hidden size, c classes. Transformers wants a padded
rectangle [b, s]; what is recorded is packed [t], the real tokens in the order of the sequences.
"""

import math

import torch
from transformers import get_linear_schedule_with_warmup


def pad(sequences, token_types, pad_id):
    """Lists of token ids and type ids → the keyword arguments of a Transformers model, each [b, s]."""
    longest = max(map(len, sequences))

    def rectangle(rows, filler):
        return torch.tensor([list(row) + [filler] * (longest - len(row)) for row in rows])

    return {
        "input_ids": rectangle(sequences, pad_id),
        "token_type_ids": rectangle(token_types, 0),
        "attention_mask": rectangle([[1] * len(row) for row in sequences], 0),
    }


def packed_inputs(sequences, token_types, labels):
    """What the packed side reads: every tensor int64."""
    lengths = torch.tensor([0] + [len(row) for row in sequences])
    return {
        "input_ids": torch.tensor([token for row in sequences for token in row]),  # [t]
        "token_type_ids": torch.tensor([kind for row in token_types for kind in row]),  # [t]
        "cu_seqlens": lengths.cumsum(0),  # [b + 1]
        "labels": torch.tensor(labels),  # [b]
    }


def forward_and_backward(model, batch, labels):
    """Every hidden state, the pooled vector, logits, mean cross-entropy, and the gradient of every parameter."""
    pooled = []
    hook = model.base_model.pooler.register_forward_hook(lambda _module, _inputs, output: pooled.append(output))
    model.zero_grad()
    output = model(**batch, labels=torch.tensor(labels), output_hidden_states=True)
    hook.remove()
    output.loss.backward()
    real = batch["attention_mask"].bool()  # [b, s]
    record = {f"hidden_states.{layer}": states[real] for layer, states in enumerate(output.hidden_states)}  # [t, d]
    record |= {"pooled": pooled[0], "logits": output.logits, "loss": output.loss}  # [b, d], [b, c], []
    record |= {f"gradient.{name}": parameter.grad.clone() for name, parameter in model.named_parameters()}
    return record


def parameter_groups(model, weight_decay):
    """Weight decay on all but biases and LayerNorm, as Transformers' Trainer does it."""
    kept = [p for name, p in model.named_parameters() if name.endswith("bias") or "LayerNorm" in name]
    decayed = [p for name, p in model.named_parameters() if not (name.endswith("bias") or "LayerNorm" in name)]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]


def train(model, batches, settings):
    """A step on each of `batches` (inputs, labels): AdamW, linear schedule with warm-up, clipping by global norm.

    Per step: the loss before the step, the learning rate of the step, the gradient's norm before clipping.
    """
    optimizer = torch.optim.AdamW(
        parameter_groups(model, settings["weight_decay"]),
        lr=settings["learning_rate"],
        betas=(settings["beta1"], settings["beta2"]),
        eps=settings["epsilon"],
    )
    warmup_steps = math.ceil(settings["warmup_ratio"] * len(batches))
    schedule = get_linear_schedule_with_warmup(optimizer, warmup_steps, len(batches))
    losses, rates, norms = [], [], []
    for inputs, labels in batches:
        optimizer.zero_grad()
        loss = model(**inputs, labels=torch.tensor(labels)).loss
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), settings["max_gradient_norm"]))
        losses.append(loss.detach())
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return {
        "train.loss": torch.stack(losses),
        "train.learning_rate": torch.tensor(rates, dtype=torch.float64),
        "train.gradient_norm": torch.stack(norms),
    }


def contiguous(record):
    """Detached, contiguous copies, sorted by name: what safetensors stores, and the same bytes every time."""
    return {name: record[name].detach().clone().contiguous() for name in sorted(record)}
