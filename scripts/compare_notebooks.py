#!/usr/bin/env python3
"""Compares the outputs of two executions of a notebook: what is printed, and the words of the pictures.

    compare_notebooks.py NEW COMMITTED            prints what differs, and fails if something does
    compare_notebooks.py --write NEW COMMITTED    writes the new outputs into the committed notebook

Numbers may differ by 2 % (other processors add in another order), and by anything where they are measured: a number with a unit of
time or speed behind it, everything in a line that has one, and the lines of cells that begin with `// measured`.
Curves are drawings of numbers: of pictures, only the words are compared.
"""
import json
import re
import sys

NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
# a number with one of these behind it was measured
MEASURED = re.compile(r"\d\s*(?:ns|µs|us|ms|s|min|tokens/s|tok/s|[GMk]B/s|GFLOP/s|times as fast)\b")
# what is no failure on stderr: a model or a plugin is fetched, once; and the plugins' own log
NOISE = re.compile(r"fetching |installed |[IWEF]\d{4} \d\d:\d\d:|WARNING: All log messages")
STYLE = re.compile(r"<style.*?</style>", re.S)


def cells(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)["cells"]


def joined(text):
    return text if isinstance(text, str) else "".join(text)


def lines(cell):
    """What a cell shows: kind and words of each line."""
    out = []
    for output in cell.get("outputs", []):
        if output["output_type"] == "error":
            out.append(("error", output.get("evalue", "")))
        elif output["output_type"] == "stream":
            # (the kernel writes there what `?` returned from a cell: a failure, as an error is)
            kind = "text" if output["name"] == "stdout" else "error"
            out += [(kind, line) for line in joined(output["text"]).splitlines() if line.strip() and not (output["name"] == "stderr" and NOISE.match(line))]
        else:
            for mime, data in sorted(output.get("data", {}).items()):
                text = joined(data)
                if mime == "image/svg+xml":
                    words = re.findall(r"<text[^>]*>(.*?)</text>", STYLE.sub("", text), re.S)
                    out.append(("picture", " | ".join(w for w in (NUMBER.sub("", w).strip(" .,%") for w in words) if len(w) > 1)))
                elif mime == "text/plain":
                    out += [("text", line) for line in text.rstrip().splitlines()]
                else:
                    out.append((mime, ""))
    return out


def same(new, old, measured):
    (kind, a), (other, b) = new, old
    if kind != other or kind == "error":
        return False
    if a == b:
        return True
    if NUMBER.sub("#", a).split() != NUMBER.sub("#", b).split():
        return False
    if measured or MEASURED.search(a) or MEASURED.search(b):
        return True
    pairs = zip(NUMBER.findall(a), NUMBER.findall(b))
    return all(near(float(x), float(y)) for x, y in pairs)


def near(x, y):
    # (what is tiny is rounding)
    return abs(x - y) <= 0.02 * max(abs(x), abs(y)) or max(abs(x), abs(y)) < 1e-4


def compare(new_path, old_path):
    new, old = cells(new_path), cells(old_path)
    differences = 0
    for number, (a, b) in enumerate(zip(new, old)):
        if a["cell_type"] != "code":
            continue
        source = joined(a["source"])
        measured = "// measured" in source
        have, want = lines(a), lines(b)
        if measured:
            # (how many lines there are may depend on what was measured)
            have, want = [h for h in have if h[0] != "text"], [w for w in want if w[0] != "text"]
        if len(have) != len(want):
            differences += 1
            print(f"{old_path}, cell {number}: {len(have)} lines of output, {len(want)} are committed")
            for line in have[:6]:
                print("  new:", line)
            continue
        for x, y in zip(have, want):
            if not same(x, y, measured):
                differences += 1
                print(f"{old_path}, cell {number}:\n  new:       {x[1][:300]}\n  committed: {y[1][:300]}")
    if len(new) != len(old):
        differences += 1
        print(f"{old_path}: {len(new)} cells, {len(old)} are committed")
    return differences


def write(new_path, old_path):
    """The outputs of one into the other, if no cell failed."""
    for number, cell in enumerate(cells(new_path)):
        for kind, line in lines(cell):
            if kind == "error":
                sys.exit(f"{old_path}, cell {number}: {line}")
    with open(old_path, encoding="utf-8") as file:
        notebook = json.load(file)
    count = 0
    for cell, new in zip(notebook["cells"], cells(new_path)):
        if cell["cell_type"] == "code":
            count += 1
            cell["execution_count"] = count
            cell["outputs"] = tidy(new["outputs"], count)
            cell["metadata"] = {}
    with open(old_path, "w", encoding="utf-8") as file:
        json.dump(notebook, file, indent=1, ensure_ascii=False)
        file.write("\n")


def tidy(outputs, count):
    """What is printed in one piece, and one line a list entry, so that differences are small."""
    made = []
    for output in outputs:
        output.pop("transient", None)
        if output.get("name") == "stderr":
            continue
        if "execution_count" in output:
            output["execution_count"] = count
        if output["output_type"] == "stream":
            text = joined(output["text"])
            if made and made[-1]["output_type"] == "stream" and made[-1]["name"] == output["name"]:
                text = "".join(made.pop()["text"]) + text
            output = {"name": output["name"], "output_type": "stream", "text": text.splitlines(True)}
        for mime, data in output.get("data", {}).items():
            output["data"][mime] = joined(data).splitlines(True)
        made.append(output)
    return made


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if len(arguments) == 3 and arguments[0] == "--write":
        write(*arguments[1:])
    elif len(arguments) == 2:
        sys.exit(1 if compare(*arguments) else 0)
    else:
        sys.exit(__doc__)
