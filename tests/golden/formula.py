"""The formula that gives every weight of a golden model its value, so that a weight need not be stored or drawn.

For the element with flat (row-major) index i of the parameter `name`:

    u     = (FNV-1a 64 of the name's UTF-8 bytes, modulo 1 000 000) / 1 000 000
    wave  = sin((1 + u) * (i + 1)**2)
    value = shift + scale * wave

computed in float64 and rounded once to float32. `shift` and `scale` follow from the name and the shape alone:

    | parameter                                  | shift | scale            |
    |--------------------------------------------|-------|------------------|
    | 1-D, name ends in `.weight` (a norm's)     | 1     | 0.2              |
    | any other 1-D (biases)                     | 0     | 0.1              |
    | 2-D, name contains `embeddings`            | 0     | 0.2              |
    | 2-D, name contains `query` or `key`        | 0     | 2 * sqrt(2 / in) |
    | any other 2-D, [out, in]                   | 0     | sqrt(2 / in)     |

The square makes the rows of a matrix nearly orthogonal, where the sine of a multiple of i would have rank two; the
frequency depends on the name, so that no two parameters resemble one another. Embeddings are small on purpose: their
LayerNorm then sees a variance at which epsilon is noticed. Queries and keys are large to keep attention from being
uniform.
"""

import math

import torch


def fnv1a64(text):
    """FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/"""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def shift_and_scale(name, shape):
    if len(shape) == 1:
        return (1.0, 0.2) if name.endswith(".weight") else (0.0, 0.1)
    if len(shape) == 2:
        if "embeddings" in name:
            return 0.0, 0.2
        return 0.0, (2.0 if "query" in name or "key" in name else 1.0) * math.sqrt(2 / shape[1])
    raise ValueError(f"{name}: the formula is for parameters of one or two dimensions, this has shape {list(shape)}")


def parameter_value(name, shape):
    """The parameter `name` by the formula: float32 of the given shape.

    `math.sin`, not the vectorised one: the C library's is within an ulp everywhere, and is what other languages call.
    """
    shift, scale = shift_and_scale(name, shape)
    frequency = 1 + fnv1a64(name) % 1_000_000 / 1_000_000
    values = [shift + scale * math.sin(frequency * (i + 1) ** 2) for i in range(math.prod(shape))]
    return torch.tensor(values, dtype=torch.float64).to(torch.float32).reshape(shape)


@torch.no_grad()
def fill(model, names=None):
    """Gives every parameter of `model`, or those in `names`, its value by the formula."""
    for name, parameter in model.named_parameters():
        if names is None or name in names:
            parameter.copy_(parameter_value(name, tuple(parameter.shape)))
