"""Writes the files beside this one: two tiny tokenizers, and encodings as Hugging Face transformers makes them.

Run it with a Python that has transformers 4.57.3 and tokenizers 0.22.1 (it needs no network):

    python crates/retune-data/tests/golden/generate.py

tokenizers 0.23.1 and 0.23.2, which transformers 5 asks for, stop to tokenise at the maximal length and so lose the rest of
a context that is cut into windows; of a pair of which both texts are cut to an odd number of tokens, they may leave the
one token more to the other text. Everything else is the same with transformers 5.17.0 and tokenizers 0.23.2.

All texts are made by a formula. The same versions give the same files.
"""

import json
from pathlib import Path

import numpy as np
import tokenizers
import transformers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

HERE = Path(__file__).parent
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Latin, with an accent written in two code points, Greek, Cyrillic, Devanagari, Chinese, emoji.
SYLLABLES = [
    "ba", "ke", "lo", "mu", "si", "ta", "e\u0301r", "un", "θα", "λο", "γι", "да", "не", "кі", "हि", "न्दी", "東京", "語",
    "👍🏽", "👩\u200d👩\u200d👧",
]  # fmt: skip
MARKS = [",", ".", "-", "?", "'"]


def word(index):
    """One to four syllables, mostly of one script; some capitalised, some with a mark at the end."""
    count = 1 + index * 7 % 4
    text = "".join(SYLLABLES[(index * 5 + place * (1 + index % 3)) % len(SYLLABLES)] for place in range(count))
    text = text.capitalize() if index % 5 == 0 else text
    return text + (MARKS[index % len(MARKS)] if index % 4 == 3 else "")


def words(start, count):
    return [word(start + 3 * place) for place in range(count)]


def text(start, count):
    """White space of several kinds between the words."""
    spaces = [" ", " ", "  ", "\u00a0", "\n", "\u3000"]
    parts = []
    for place, each in enumerate(words(start, count)):
        parts += [each, spaces[(start + place) % len(spaces)]]
    return "".join(parts[:-1])


def word_piece():
    """BERT's, over the letters that there are and some syllables."""
    letters = sorted({letter for index in range(400) for letter in word(index).lower()})
    whole = ["ba", "ke", "lo", "ta", "да", "θα", "bake", "kelo", "12"]
    pieces = ["ke", "lo", "mu", "si", "ta", "un", "λο", "γι", "не", "losi"]
    names = SPECIAL + letters + whole + [f"##{letter}" for letter in letters] + [f"##{piece}" for piece in pieces]
    # Letters that are left out are unknown; as some are.
    vocabulary = {name: index for index, name in enumerate(dict.fromkeys(name for name in names if "к" not in name))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
    return tokenizer


def byte_level():
    """RoBERTa's, with few merges."""
    space = "Ġ"
    merges = [("b", "a"), ("k", "e"), ("l", "o"), (space, "ba"), (space, "l"), ("m", "u"), ("ba", "ke"), ("Ð", "´")]
    names = ["<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    names += [left + right for left, right in merges] + ["<mask>"]
    vocabulary = {name: index for index, name in enumerate(names)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    ends = ("</s>", vocabulary["</s>"]), ("<s>", vocabulary["<s>"])
    # Trims offsets; adds no space. The names of the arguments differ between versions.
    tokenizer.post_processor = processors.RobertaProcessing(*ends, True, False)
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special])
    tokenizer.add_special_tokens([AddedToken("<mask>", special=True, normalized=False, lstrip=True)])
    return tokenizer


def fast(tokenizer, **settings):
    # A copy, because settings are written into it.
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(tokenizer.to_str()), **settings)


def encode_words(tokenizer, sentences):
    encoded = tokenizer(sentences, is_split_into_words=True)
    word_ids = [encoded.word_ids(row) for row in range(len(sentences))]
    return {
        "sentences": sentences,
        "input_ids": encoded["input_ids"],
        "word_ids": word_ids,
    }


def sentences():
    made = [words(start, 1 + start % 9) for start in range(0, 60, 7)]
    return made + [[], [""], ["\u0000", "ba", "", "\u200b", "東京ba-ke"], ["[SEP]", "lo"], ["New York", " ke "]]


def preprocess(tokenizer, examples, max_length, stride):
    """`prepare_train_features` and `prepare_validation_features` of run_qa.py, for one call."""
    encoded = tokenizer(
        [example["question"].lstrip() for example in examples],
        [example["context"] for example in examples],
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    result = []
    for row, example in enumerate(encoded["overflow_to_sample_mapping"]):
        sequence_ids = encoded.sequence_ids(row)
        offsets = encoded["offset_mapping"][row]
        context = [offset if sequence == 1 else None for offset, sequence in zip(offsets, sequence_ids)]
        result.append(
            {
                "example": example,
                "input_ids": encoded["input_ids"][row],
                "offsets": context,
                "positions": positions(offsets, sequence_ids, examples[example]["answer"]),
            }
        )
    return result


def positions(offsets, sequence_ids, answer):
    """As run_qa.py has it but for one thing: there, where the answer starts in the last token of the window, the search
    for it runs on over the special token behind and calls that the start."""
    if answer is None:
        return [0, 0]
    start, end = answer
    first, last = sequence_ids.index(1), len(sequence_ids) - 1 - sequence_ids[::-1].index(1)
    if not (offsets[first][0] <= start and offsets[last][1] >= end):
        return [0, 0]
    begin, beyond = first, last
    while begin <= last and offsets[begin][0] <= start:
        begin += 1
    while offsets[beyond][1] >= end:
        beyond -= 1
    return [begin - 1, beyond + 1]


def questions():
    examples = []
    for index in range(18):
        context = text(index * 11, 3 + index * index % 47)
        # Answers of one to four words, at every place; and letters within words.
        pieces = [piece for piece in context.split() if piece]
        first = index * 13 % len(pieces)
        wanted = pieces[first]
        start = context.index(wanted)
        end = min(len(context), start + len(wanted) + index % 3 * 7)
        answer = None if index % 6 == 5 else [start, end]
        if index % 6 == 4:
            answer = [max(0, len(context) - len(pieces[-1])), len(context)]
        if index % 6 == 3:
            answer = [0, len(pieces[0])]
        examples.append({"question": f"{' ' * (index % 3)}{text(index, 2 + index % 3)}?", "context": context, "answer": answer})
    return examples


def logits(length, seed):
    """Numbers of few values, so that many are equal, and all sums are exact in float32."""
    return [((place * 37 + seed * 101) % 23 - 11) / 4 for place in range(length)]


def argsort(numbers):
    """Stable, which NumPy's default is not in arrays of more than 16."""
    return np.argsort(numbers, kind="stable")


def postprocess(asked, windows, seed, version_2, n_best_size, max_answer_length, threshold):
    """`postprocess_qa_predictions` of utils_qa.py, with stable sorting."""
    results = []
    for index, example in enumerate(asked):
        null, found, row = None, [], 0
        for window in (window for window in windows if window["example"] == index):
            length = len(window["input_ids"])
            starts = np.array(logits(length, seed + row), dtype=np.float32)
            ends = np.array(logits(length, 3 * seed + 7 + row), dtype=np.float32)
            row += 1
            score = starts[0] + ends[0]
            if null is None or null["score"] > score:
                null = {"offsets": (0, 0), "score": score, "start": starts[0], "end": ends[0]}
            offsets = window["offsets"]
            for start in argsort(starts)[-1 : -n_best_size - 1 : -1].tolist():
                for end in argsort(ends)[-1 : -n_best_size - 1 : -1].tolist():
                    if offsets[start] is None or offsets[end] is None:
                        continue
                    if end < start or end - start + 1 > max_answer_length:
                        continue
                    found.append(
                        {
                            "offsets": (offsets[start][0], offsets[end][1]),
                            "score": starts[start] + ends[end],
                            "start": starts[start],
                            "end": ends[end],
                        }
                    )
        if version_2:
            found.append(null)
        kept = sorted(found, key=lambda each: each["score"], reverse=True)[:n_best_size]
        if version_2 and not any(each["offsets"] == (0, 0) for each in kept):
            kept.append(null)
        texts = [example["context"][slice(*each["offsets"])] for each in kept]
        scores, sums = [each["score"] for each in kept], [(each["start"], each["end"]) for each in kept]
        if not texts or texts == [""]:
            texts, scores, sums = ["empty", *texts], [0.0, *scores], [(0.0, 0.0), *sums]
        exponents = np.exp(np.array(scores) - np.max(scores))
        answer, difference = texts[0], None
        if version_2:
            best = next(place for place, text in enumerate(texts) if text)
            difference = float(null["score"] - sums[best][0] - sums[best][1])
            answer = "" if difference > threshold else texts[best]
        results.append(
            {
                "answer": answer,
                "null_score_diff": difference,
                "texts": texts,
                "scores": [float(score) for score in scores],
                "probabilities": (exponents / exponents.sum()).tolist(),
            }
        )
    return results


def pieces(encoded, tokenizer):
    """0 special, 1 the first token of a word, 2 a further one."""
    special, rows = set(tokenizer.all_special_ids), []
    for row, ids in enumerate(encoded["input_ids"]):
        word_ids = [None, *encoded.word_ids(row)]
        kinds = []
        for place, (identifier, masked) in enumerate(zip(ids, encoded["special_tokens_mask"][row])):
            is_special = masked == 1 or identifier in special
            kinds.append(0 if is_special else 2 if word_ids[place + 1] == word_ids[place] else 1)
        rows.append(kinds)
    return rows


def blocks(tokenizer, texts, size):
    """`group_texts` of run_mlm.py, but for the last block, which is dropped there, and its mode of lines."""
    encoded = tokenizer(texts, return_special_tokens_mask=True)
    ids, kinds = sum(encoded["input_ids"], []), sum(pieces(encoded, tokenizer), [])
    lines = tokenizer([line for line in texts if line and not line.isspace()], truncation=True, max_length=size,
                      return_special_tokens_mask=True)  # fmt: skip
    return {
        "texts": texts,
        "size": size,
        "input_ids": [ids[start : start + size] for start in range(0, len(ids), size)],
        "pieces": [kinds[start : start + size] for start in range(0, len(ids), size)],
        "line_ids": lines["input_ids"],
        "line_pieces": pieces(lines, tokenizer),
    }


def choices(tokenizer, max_length):
    """`preprocess_function` of run_swag.py, with different numbers of choices."""
    examples = [
        {"context": text(index, 1 + index * 5 % 19), "choices": [text(index + 40 * (each + 1), 1 + each * 4) for each in range(1 + index % 4)]}
        for index in range(7)
    ]  # fmt: skip
    first = [example["context"] for example in examples for _ in example["choices"]]
    second = [choice for example in examples for choice in example["choices"]]
    encoded = tokenizer(first, second, truncation=True, max_length=max_length, return_token_type_ids=True)
    return {
        "examples": examples,
        "max_length": max_length,
        "input_ids": encoded["input_ids"],
        "token_type_ids": encoded["token_type_ids"],
    }


def main():
    versions = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__, "numpy": np.__version__}
    named = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    bert, roberta = word_piece(), byte_level()
    bert.save(str(HERE / "word_piece.json"))
    roberta.save(str(HERE / "byte_level.json"))
    bert_fast = fast(bert, **named)
    roberta_fast = fast(
        roberta, cls_token="<s>", sep_token="</s>", pad_token="<pad>", unk_token="<unk>", mask_token="<mask>"
    )
    # Version 4 of transformers heeds the setting alone, and version 5 the tokenizer alone.
    spaced = byte_level()
    spaced.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    spaced = fast(spaced, cls_token="<s>", sep_token="</s>", pad_token="<pad>", add_prefix_space=True)
    asked = questions()
    golden = {
        "versions": versions,
        "words": {"word_piece": encode_words(bert_fast, sentences()), "byte_level": encode_words(spaced, sentences())},
        "questions": asked,
        "windows": [
            {
                "tokenizer": name,
                "max_length": max_length,
                "stride": stride,
                "windows": preprocess(each, asked[:count], max_length, stride),
            }
            for name, each, count, max_length, stride in [
                ("word_piece", bert_fast, 18, 48, 8),
                ("word_piece", bert_fast, 9, 64, 0),
                ("byte_level", roberta_fast, 8, 120, 24),
            ]
        ],
    }
    lines = [text(index * 5, index * 7 % 13) for index in range(12)] + ["", " \u3000", "ba [SEP] lo кі", "\u0000"]
    golden["blocks"] = {
        "word_piece": blocks(bert_fast, lines, 16),
        "byte_level": blocks(roberta_fast, lines, 64),
    }
    golden["choices"] = choices(bert_fast, 41)
    windows = golden["windows"][0]["windows"]
    golden["answers"] = [
        {"seed": seed, "options": options, "answers": postprocess(asked[:count], windows, seed, *options)}
        for seed, count, options in [
            (1, 9, (False, 20, 30, 0.0)),
            (2, 7, (True, 20, 30, 0.0)),
            (3, 7, (True, 3, 2, -6.25)),
            # Most windows have no candidate.
            (4, 7, (True, 1, 1, 0.5)),
            (5, 7, (False, 1, 1, 0.0)),
        ]
    ]
    (HERE / "encodings.json").write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
