#!/usr/bin/env python3
"""What TensorBoard's own server shows of a folder of event files, as one JSON object.

  board.py FOLDER

{"scalars": {tag: [[step, value], …]}, "histograms": {tag: [[step, [[left, right, count], …]], …]}, "texts": {tag: [[step, html], …]}}
The server is the real one, asked over HTTP as its page asks it. Nothing here needs a network beyond the loopback address.
"""

import json
import logging
import sys
import urllib.parse
import urllib.request

from tensorboard import program


def main():
    logging.disable(logging.WARNING)
    board = program.TensorBoard()
    board.configure(argv=[None, "--logdir", sys.argv[1], "--port", "0", "--load_fast", "false"])
    address = board.launch().rstrip("/")

    def ask(plugin, route, **given):
        with urllib.request.urlopen(f"{address}/data/plugin/{plugin}/{route}?{urllib.parse.urlencode(given)}") as answer:
            return json.load(answer)

    def tags(plugin):
        return [(run, tag) for run, found in ask(plugin, "tags").items() for tag in found]

    scalars = {tag: [[step, value] for _, step, value in ask("scalars", "scalars", run=run, tag=tag)] for run, tag in tags("scalars")}
    histograms = {
        tag: [[step, buckets] for _, step, buckets in ask("histograms", "histograms", run=run, tag=tag)]
        for run, tag in tags("histograms")
    }
    texts = {
        tag: [[one["step"], one["text"]] for one in ask("text", "text", run=run, tag=tag)] for run, tag in tags("text")
    }
    print(json.dumps({"scalars": scalars, "histograms": histograms, "texts": texts}))


if __name__ == "__main__":
    main()
