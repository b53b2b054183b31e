#!/usr/bin/env python3
"""Tokenizers in their slow forms, and what AutoTokenizer makes of them, for comparison with retune.

  tokenizer_forms.py make --out DIR [--texts FILE ...]
      Trains small vocabularies on the repository's own texts and on lines written here in many scripts; writes a model
      directory without tokenizer.json for each form (DIR/NAME), the lines (DIR/lines.json), and for each form the ids
      that AutoTokenizer gives (DIR/NAME.expected.json). --texts adds lines of other files (plain or .gz) to be compared.

  tokenizer_forms.py again --out DIR
      The ids that AutoTokenizer gives for the directories that retune wrote (DIR/NAME.written → DIR/NAME.again.json).
"""

import argparse
import csv
import gzip
import json
import logging
import os
import random
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # everything compared lies in a folder; the network has no say
os.environ["TOKENIZERS_PARALLELISM"] = "true"

import sentencepiece
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer

REPOSITORY = Path(__file__).resolve().parent.parent.parent
LENGTHS = (24, 512)  # the first cuts most lines

SCRIPTS = [
    "Größe, Straße, über, naïve café; Ångström, Łódź, İstanbul, ıldız, ﬁne ﬂow, Œuvre, Dž ǅ ß ẞ ſ",
    "e\u0301 o\u0308 a\u030a\u0323 n\u0303, combined by marks; \u0301alone, Z\u0351\u036b\u0343\u036a\u0302a\u0334l\u0315g\u0321o\u0322",
    "Съешь ещё этих мягких французских булок, да выпей чаю. Ґанок, Їжак, Ђура, Ѳита й Й и\u0306",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Ὀδυσσεύς, ἄνθρωπος, ΣΊΣΥΦΟΣ ς σ ϐ ΐ ΰ",
    "نص حكيم له سر قاطع وذو شأن عظيم، مَكْتَبَةٌ ١٢٣ ۴۵۶ ﷺ ﻻ لا",
    "דג סקרן שט בים מאוכזב ולפתע מצא חברה; שָׁלוֹם עֲלֵיכֶם ״ציטוט״",
    "ऋषियों को सताने वाले दुष्ट राक्षसों का क्या हुआ? क़ ख़ ड़ १२३ श्री",
    "我能吞下玻璃而不伤身体。繁體字：龍、鬱；全角ＡＢＣ１２３，（）！ 𠮷野家 豈更",
    "いろはにほへと ちりぬるを。カタカナ、ﾊﾝｶｸ ｶﾞｷﾞ、が か\u3099 ぱ は\u309a 々〆 ㍿ ㎏",
    "키스의 고유조건은 입술끼리 만나야 한다. \u1112\u1161\u11ab\u1100\u1173\u11af ㄱㄴㄷ ㈜",
    "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน ๑๒๓",
    "emoji 😀 👩🏽‍🚀 👨‍👩‍👧‍👦 🇩🇪 ✈️ ☺︎ 1️⃣ ❤️‍🔥 and ♥ ★ → ⇒ ∑ ∞ ½ ² ™ © № … — – ‘ ’ “ ”",
    "tabs\tand\x0bvertical\x0cfeeds, two  spaces,   three, no\u00a0break, thin\u2009space, wide\u3000space, zero\u200bwidth, line\u2028sep",
    "controls \x00 \x01 \x07 \x1b[0m \x7f \x85 \ufeff \ufffd \u00ad soft \u200d joiner \u202emirrored\u202c \ufdd0 \U0010ffff",
    "  leading and trailing  ", "\u00a0\u3000", " ", "\n", "a\nb\r\nc\rd", "\t", ".", "''", "``quoted'' and `single' \"double\"",
    "numbers 1,234,567.89 and 9,5 or 12:30, 2024-02-29; $5.00 €3,50 ¥100 50% #tag @name a_b a-b a/b\\c a.b.c",
    "http://example.org/path?query=1&other=%20#part user@example.org ~!@#$%^&*()_+{}|:<>?[];',./",
    "don't can't it's we'll I'D you're THEY'VE o'clock rock'n'roll '90s",
    "CamelCase snake_case UPPER lower MiXeD ÀÉÎÕÜ àéîõü ÇŞĞ ŒÆØ",
    "x" * 120, "supercalifragilisticexpialidocious" * 4, "我" * 120, "a" * 99 + "é", "\u0301" * 30,
    "[CLS] a [SEP] b [PAD] [MASK] [UNK] and[MASK]glued  [MASK]  spaced [mask]",
    "<s> a </s> b <pad> <mask> <unk> and<mask>glued  <mask>  spaced <MASK> <s>NOTUSED </s>NOTUSED <unk>NOTUSED",
    "[ENT]x[ENT] [ENT] new_word newword NEWWORD a new_wordy <ent> <e1><e2> <E1> é<ü> <Ü> user▁defined ▁ ▁▁a ##ing #",
]  # fmt: skip
SPECIAL = ["[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]", "<s>", "</s>", "<pad>", "<mask>", "<unk>", "[ENT]", "new_word", "<e1>", "<e2>", "<ü>"]  # fmt: skip


def own_lines():
    """Lines of the repository's own data and texts."""
    lines = []
    for path in sorted((REPOSITORY / "data/support-triage").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            lines += [" ".join(row[key] for key in row if key != "label") for row in csv.DictReader(file)]
    for path in sorted([REPOSITORY / "README.md", REPOSITORY / "ARCHITECTURE.md", *(REPOSITORY / "data").rglob("*.md")]):
        lines += [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return lines


def drawn_lines(count):
    """Characters of all scripts and special tokens in random order, the same at every call."""
    draw = random.Random(17)
    characters = [character for line in SCRIPTS for character in line]
    words = [word for line in SCRIPTS for word in line.split() if len(word) < 40]
    lines = []
    for _ in range(count):
        line = ""
        for _ in range(draw.randrange(1, 30)):
            kind = draw.random()
            if kind < 0.5:
                line += draw.choice(words)
            elif kind < 0.8:
                line += draw.choice(characters)
            elif kind < 0.9:
                code = draw.choice((0x250, 0x600, 0x3100, 0x11000, 0x20000))
                code = draw.randrange(1, code)
                line += chr(code) if not 0xD800 <= code < 0xE000 else "?"
            else:
                line += draw.choice(SPECIAL)
            line += draw.choice(("", "", " ", " ", " ", "  ", "\t", "\u00a0", ", ", "-"))
        lines.append(line)
    return lines


def file_lines(path, limit=4000):
    """The first lines of a text file that hold anything."""
    opened = gzip.open(path, "rt", encoding="utf-8") if path.endswith(".gz") else open(path, encoding="utf-8")
    with opened as file:
        return [line.rstrip("\n") for line in file if line.strip()][:limit]


def word_piece(corpus, specials, lowercase):
    tokenizer = Tokenizer(models.WordPiece(unk_token=specials[1]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=1500, special_tokens=specials, limit_alphabet=600, show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    vocabulary = tokenizer.get_vocab()
    return {"vocab.txt": "".join(token + "\n" for token in sorted(vocabulary, key=vocabulary.get))}


def byte_level(corpus, specials):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=1200, special_tokens=specials, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = "".join(" ".join(pair) + "\n" for pair in model["merges"])
    return {"vocab.json": json.dumps(model["vocab"], ensure_ascii=False), "merges.txt": "#version: 0.2\n" + merges}


def unigram(corpus, file, **options):
    model = Bytes()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_writer=model, vocab_size=1200, hard_vocab_limit=False, num_threads=1,
        character_coverage=0.995, minloglevel=2, **{"model_type": "unigram", **options},
    )  # fmt: skip
    return {file: bytes(model.content)}


class Bytes:
    """Where sentencepiece writes to."""

    def __init__(self):
        self.content = bytearray()

    def write(self, content):
        self.content += content
        return len(content)


def added(content, **flags):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, **flags}


def forms(corpus):
    """Name → files of each directory."""
    bert = word_piece(corpus, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], True)
    cased = word_piece(corpus, ["[PAD]", "[UNK]", "<first>", "<last>", "[MASK]"], False)
    mpnet = word_piece(corpus, ["<s>", "[UNK]", "<pad>", "</s>", "<mask>"], True)
    roberta = byte_level(corpus, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    deberta = byte_level(corpus, ["[PAD]", "[CLS]", "[SEP]", "[UNK]"])
    albert = dict(pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols=["[CLS]", "[SEP]", "[MASK]"])
    symbols = dict(albert, user_defined_symbols=["(", ")", "<ent>", "▁▁a"])
    deberta_v2 = dict(pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]")  # fmt: skip
    # As Hugging Face wrote RoBERTa's: the mask takes the space before it, all others are matched in the normalised text.
    ends = {"bos": "<s>", "eos": "</s>", "unk": "<unk>", "sep": "</s>", "pad": "<pad>", "cls": "<s>"}
    map_ = {f"{key}_token": added(text, normalized=True) for key, text in ends.items()} | {"mask_token": added("<mask>", lstrip=True)}
    decoder = {
        "0": added("[PAD]", special=True), "1": added("[UNK]", special=True), "2": added("[CLS]", special=True),
        "3": added("[SEP]", special=True), "4": added("[MASK]", special=True, lstrip=True),
        "90000": added("[ENT]", special=True, rstrip=True), "90001": added("new_word", normalized=True, single_word=True),
        "90002": added("<Ü>", normalized=True),
    }  # fmt: skip

    def with_(files, config, tokenizer=None, **others):
        texts = {"config.json": config, "tokenizer_config.json": tokenizer, **others}
        return files | {name: json.dumps(value) for name, value in texts.items() if value is not None}

    xlm = unigram(corpus, "sentencepiece.bpe.model")
    plain = unigram(corpus, "spiece.model", **albert)
    spm = unigram(corpus, "spm.model", **deberta_v2)
    return {
        "bert": with_(bert, {"model_type": "bert"}),
        "bert-cased": with_(
            cased, {"model_type": "bert"},
            {"tokenizer_class": "BertTokenizerFast", "do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False},
            **{"special_tokens_map.json": {"cls_token": "<first>", "sep_token": "<last>", "unk_token": "[UNK]"}},
        ),
        "bert-accents": with_(bert, {"model_type": "bert"}, {"strip_accents": False, "model_max_length": 512, "split_special_tokens": True}),
        "distilbert": with_(bert, {"model_type": "distilbert"}, {"tokenizer_class": "DistilBertTokenizer", "added_tokens_decoder": decoder, "mask_token": "[MASK]"}),
        "electra": with_(
            bert, {"model_type": "electra"}, {"tokenizer_class": "ElectraTokenizer", "do_lower_case": True, "entity_token": "<ent>"},
            **{"special_tokens_map.json": {"additional_special_tokens": ["<e1>", "<e2>"], "mask_token": added("[MASK]", lstrip=True)}},
            **{"added_tokens.json": {"[ENT]": 90001, "new_word": 90000, "<e1>": 90002}},
        ),
        "mpnet": with_(mpnet, {"model_type": "mpnet"}, {"tokenizer_class": "MPNetTokenizer"}),
        "roberta": with_(roberta, {"model_type": "roberta"}),
        "roberta-map": with_(roberta, {"model_type": "roberta"}, {"add_prefix_space": True, "trim_offsets": False}, **{"special_tokens_map.json": map_}),
        "longformer": with_(roberta, {"model_type": "longformer"}, {"tokenizer_class": "LongformerTokenizer", "extra_special_tokens": ["<e1>", "[ENT]"]}),
        "deberta": with_(deberta, {"model_type": "deberta"}, {"do_lower_case": False}),
        "albert": with_(plain, {"model_type": "albert"}),
        "albert-cased": with_(
            unigram(corpus, "spiece.model", **symbols), {"model_type": "albert"},
            {"tokenizer_class": "AlbertTokenizer", "do_lower_case": False, "keep_accents": True, "add_prefix_space": False},
        ),
        "deberta-v2": with_(spm, {"model_type": "deberta-v2"}, {"do_lower_case": False, "vocab_type": "spm"}),
        "deberta-v2-split": with_(
            unigram(corpus, "spm.model", user_defined_symbols=["<ent>", "(", "user▁defined"], **deberta_v2), {"model_type": "deberta-v2"},
            {"tokenizer_class": "DebertaV2Tokenizer", "do_lower_case": True, "split_by_punct": True, "add_prefix_space": False},
            **{"added_tokens.json": {"[MASK]": 128000}},
        ),
        "xlm-roberta": with_(xlm, {"model_type": "xlm-roberta"}),
        "xlm-roberta-map": with_(
            unigram(corpus, "sentencepiece.bpe.model", normalization_rule_name="nmt_nfkc_cf", byte_fallback=True), {"model_type": "xlm-roberta"},
            {"tokenizer_class": "XLMRobertaTokenizer", "add_prefix_space": False}, **{"special_tokens_map.json": map_},
        ),
        "camembert": with_(xlm, {"model_type": "camembert"}),
        "camembert-added": with_(
            xlm, {"model_type": "camembert"},
            {"tokenizer_class": "CamembertTokenizer", "additional_special_tokens": ["<s>NOTUSED", "</s>NOTUSED"]}, **{"special_tokens_map.json": map_},
        ),
    }  # fmt: skip


def rows(tokenizer, lines):
    """For each length, the ids and types of every line, single texts and pairs in their order."""
    singles = [i for i, (_, second) in enumerate(lines) if second is None]
    pairs = [i for i, (_, second) in enumerate(lines) if second is not None]
    found = {}
    for length in LENGTHS:
        ids, types = [None] * len(lines), [None] * len(lines)
        for chosen in (singles, pairs):
            texts = [[lines[i][0] for i in chosen]]
            if chosen is pairs:
                texts.append([lines[i][1] for i in chosen])
            encoded = tokenizer(*texts, truncation=True, max_length=length, return_token_type_ids=True)
            for i, row, row_types in zip(chosen, encoded["input_ids"], encoded["token_type_ids"], strict=True):
                ids[i], types[i] = row, row_types
        found[str(length)] = {"ids": ids, "types": types}
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["make", "again"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--texts", nargs="*", default=[])
    arguments = parser.parse_args()
    out = arguments.out
    logging.getLogger("transformers").setLevel(logging.ERROR)

    if arguments.what == "again":
        lines = json.loads((out / "lines.json").read_text(encoding="utf-8"))
        for folder in sorted(out.glob("*.written")):
            found = rows(AutoTokenizer.from_pretrained(folder), lines)
            folder.with_suffix(".again.json").write_text(json.dumps(found), encoding="utf-8")
        return

    corpus = own_lines() + 3 * SCRIPTS
    # sentencepiece takes no text with a NUL or a line break in it.
    corpus = [part for line in corpus for part in line.replace("\x00", " ").splitlines() if part.strip()]
    lines = SCRIPTS + own_lines() + drawn_lines(1500) + [line for path in arguments.texts for line in file_lines(path)]
    draw = random.Random(5)
    lines = [(line, draw.choice(lines) if draw.random() < 0.4 else None) for line in lines]
    out.mkdir(parents=True, exist_ok=True)
    (out / "lines.json").write_text(json.dumps(lines), encoding="utf-8")
    for name, files in forms(corpus).items():
        folder = out / name
        folder.mkdir()
        for file, content in files.items():
            (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
        tokenizer = AutoTokenizer.from_pretrained(folder)
        expected = {"class": type(tokenizer).__name__, "rows": rows(tokenizer, lines)}
        tokenizer.backend_tokenizer.no_truncation()
        expected["tokenizer"] = json.loads(tokenizer.backend_tokenizer.to_str())
        (out / f"{name}.expected.json").write_text(json.dumps(expected), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
