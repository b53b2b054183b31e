"""Writes classes.parquet and classes.arrow: columns of classes as Python's `datasets` 5.2.0 writes them.

  python classes.py
"""

import os
import shutil
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

from datasets import ClassLabel, Dataset, Features, List, Value

HERE = Path(__file__).parent
COLUMNS = {
    "text": Value("string"),
    "label": ClassLabel(names=["neg", "pos", "unused"]),
    "tags": List(ClassLabel(names=["O", "B-PER", "I-PER"])),
    "nested": {"kind": ClassLabel(names=["y", "x"])},
}
ROWS = [("good", 1, [1, 2, 0], 0), ("bad", 0, [], 1), ("fine", 1, [0], 1)]


def main():
    rows = [{"text": text, "label": label, "tags": tags, "nested": {"kind": kind}} for text, label, tags, kind in ROWS]
    data = Dataset.from_list(rows, features=Features(COLUMNS))
    data.to_parquet(HERE / "classes.parquet")
    with tempfile.TemporaryDirectory() as folder:
        data.save_to_disk(folder)
        shutil.copy(Path(folder, "data-00000-of-00001.arrow"), HERE / "classes.arrow")


if __name__ == "__main__":
    main()
