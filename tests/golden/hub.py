"""Writes hub/: the rows of the tests' small job as Parquet files of classes, as Python's `datasets` 5.2.0 writes them.

  python hub.py

The files are those that `push_to_hub` would make of three splits, the first in two shards; `moved.parquet` is what the first became
later.
"""

import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

from datasets import ClassLabel, Dataset, Features, Value

HERE = Path(__file__).parent / "hub"
# Not in the order of their letters, so that it shows whose order is kept.
FEATURES = Features({"text": Value("string"), "label": ClassLabel(names=["positive", "negative"])})


def row(number):
    if number % 2 == 0:
        return {"text": "a " + "very " * (number % 5) + "good film", "label": 0}
    return {"text": "the " + "very " * (number % 3) + "bad film", "label": 1}


def write(name, rows):
    Dataset.from_list([row(number) for number in rows], features=FEATURES).to_parquet(HERE / name)


def main():
    HERE.mkdir(exist_ok=True)
    write("train-00000-of-00002.parquet", range(14))
    write("train-00001-of-00002.parquet", range(14, 24))
    write("validation-00000-of-00001.parquet", range(6))
    write("test-00000-of-00001.parquet", range(3, 9))
    write("moved.parquet", range(1, 25))


if __name__ == "__main__":
    main()
