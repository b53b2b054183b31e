"""The forms of data files that recipes name: reads them as lists of records, and writes records back in the same form.

A record is a dictionary of columns. A sentence of CoNLL is one record whose columns are lists; a line of text is a
record of the column "text"; a question of SQuAD has "id", "question", "context" and "answers", a list of {"text",
"answer_start"}.
"""

import csv
import json
from itertools import groupby
from pathlib import Path

BY_EXTENSION = {
    ".csv": "csv", ".tsv": "tsv", ".json": "json", ".jsonl": "jsonl", ".txt": "text", ".conll": "conll",
}  # fmt: skip


def form_of(data):
    """The form of a recipe's files: what `data.format` says, else what the training file's extension says."""
    return data.get("format") or BY_EXTENSION[Path(data["train"].partition("#")[0]).suffix]


def read(path, form, columns=None):
    """The records of a file, or of one array of a JSON document (`data.json#train`)."""
    name, _, array = str(path).partition("#")
    with open(name, newline="", encoding="utf-8-sig") as file:
        if form in ("csv", "tsv"):
            rows = list(csv.reader(file, delimiter="," if form == "csv" else "\t"))
        elif form == "tsv-unquoted":
            rows = [line.rstrip("\r").split("\t") for line in file.read().split("\n") if line]
        elif form == "text":
            return [{"text": line} for line in file.read().split("\n") if line.strip()]
        elif form == "conll":
            return sentences(file, columns)
        elif form == "squad":
            return questions(json.load(file))
        elif form == "jsonl":
            return [json.loads(line) for line in file if line.strip()]
        else:
            rows = json.load(file)
            rows = rows[array] if array else rows
            if isinstance(rows[0], dict):
                return rows
            return [dict(zip(columns, row, strict=True)) for row in rows]
    header, body = (columns, rows) if columns else (rows[0], rows[1:])
    return [dict(zip(header, row, strict=True)) for row in body]


def sentences(file, columns):
    """Runs of lines that hold a token and its tags; a line of white space alone stands between two of them."""
    records = []
    for is_between, lines in groupby(file, key=lambda line: not line.strip()):
        if not is_between:
            fields = [line.rstrip("\r\n").split("\t") for line in lines]
            records.append(dict(zip(columns, (list(column) for column in zip(*fields, strict=True)), strict=True)))
    return records


def questions(document):
    """The questions of SQuAD 1.1; or of a list of paragraphs whose questions have one answer each, of which only the
    text is given: of those, the questions whose answer occurs exactly once in the paragraph, so that its place is sure.
    """
    articles = [{"paragraphs": document}] if isinstance(document, list) else document["data"]
    records = []
    for paragraph in (paragraph for article in articles for paragraph in article["paragraphs"]):
        context = paragraph["context"]
        for question in paragraph["qas"]:
            answers = question.get("answers")
            if answers is None:
                text = question["answer"]
                if context.count(text) != 1:
                    continue
                answers = [{"text": text, "answer_start": context.index(text)}]
            identity = question.get("id", str(len(records)))
            records.append(
                {"id": identity, "question": question["question"], "context": context, "answers": answers}
            )
    return records


def write(path, form, records, columns=None):
    """Writes records as `read` reads them; returns the path to read them by."""
    array = "rows"
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = [list(record.values()) for record in records]
        rows = rows if columns else [list(records[0]), *rows]
        if form in ("csv", "tsv"):
            csv.writer(file, delimiter="," if form == "csv" else "\t").writerows(rows)
        elif form == "tsv-unquoted":
            file.writelines("\t".join(row) + "\n" for row in rows)
        elif form == "text":
            file.writelines(record["text"] + "\n" for record in records)
        elif form == "conll":
            for record in records:
                file.writelines("\t".join(fields) + "\n" for fields in zip(*record.values(), strict=True))
                file.write("\n")
        elif form == "squad":
            json.dump({"version": "1.1", "data": [{"title": "subset", "paragraphs": paragraphs(records)}]}, file)
        elif form == "jsonl":
            file.writelines(json.dumps(record) + "\n" for record in records)
        else:
            json.dump({array: rows if columns else records}, file)
            return f"{path}#{array}"
    return str(path)


def paragraphs(records):
    """Questions that follow one another on the same context, together."""
    found = []
    for context, group in groupby(records, key=lambda record: record["context"]):
        qas = [{name: value for name, value in record.items() if name != "context"} for record in group]
        found.append({"context": context, "qas": qas})
    return found
