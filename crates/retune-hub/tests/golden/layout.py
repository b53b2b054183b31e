"""Writes layout.json: which of a repository's files are which split, as Python's `datasets` 5.2.0 finds them by their names.

  python layout.py

The files need not hold anything: only their names are looked at.
"""

import json
import os
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

from datasets.data_files import DataFilesDict, get_data_patterns

LISTS = [
    ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/test-00000-of-00001.parquet"],
    ["data/train-00000-of-00002-9564e8b05b4757ab.parquet", "data/train-00001-of-00002-701d16158af87368.parquet"],
    ["data/dev.mini-00000-of-00001.parquet", "data/no_train-00000-of-00001.parquet"],
    ["data/train-00000-of-00001.parquet", "extra/test-1.parquet"],
    ["data/train-0-of-1.parquet", "data/other-0-of-1.parquet"],
    ["data/train.parquet", "data/validation.parquet"],
    ["train.parquet", "test.parquet"],
    ["my_train_file.parquet", "my-dev.parquet", "eval2.parquet"],
    ["train1.parquet", "train2.parquet", "validation 1.parquet"],
    ["test_train.parquet"],
    ["trainer.parquet", "contest.parquet"],
    ["TRAIN.parquet", "Test.parquet"],
    ["train/a.parquet", "train/b.parquet", "validation/a.parquet"],
    ["training/a.parquet", "test/a.parquet", "valid/x.parquet"],
    ["train/test.parquet", "train/x.parquet"],
    ["test/train.parquet", "x.parquet"],
    ["sub/my-train/1.parquet", "sub/dev/deep/2.parquet"],
    ["sub/deep/train-1.parquet", "sub/deep/other.parquet"],
    ["plain_text/train-00000-of-00001.parquet", "plain_text/test-00000-of-00001.parquet", "plain_text/unsupervised-00000-of-00001.parquet"],
    ["a.parquet", "b.parquet"],
    [".hidden/train.parquet", "__cache/test.parquet", "x.parquet"],
]


def splits(files):
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            path = Path(folder, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
        found = DataFilesDict.from_patterns(get_data_patterns(folder), base_path=folder)
        return {str(split): [os.path.relpath(path, folder) for path in paths] for split, paths in found.items()}


def main():
    lines = [json.dumps({"files": files, "splits": splits(files)}) for files in LISTS]
    (Path(__file__).parent / "layout.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
