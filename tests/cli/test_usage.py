"""Bad usage is answered with exit code 2 before torch, transformers and datasets are imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EARLIER = "{} holds an earlier result; give another {} or --overwrite, or remove it"
HEAVY = ("torch", "transformers", "datasets", "pandas", "sklearn", "accelerate")
CASES = {
    "unknown command": (["train", "shop"], ["No such command 'train'", "fit"]),
    "misspelt command": (["recomend"], ["recommend"]),
    "other word": (["fit", "shop", "--epochs", "3"], ["--epochs", "--num-train-epochs", "xcat demo"]),
    "misspelt": (["fit", "shop", "--hiden-size", "64"], ["--hiden-size", "--hidden-size"]),
    "misspelt own option": (["fit", "shop", "--spilt", "auto"], ["--spilt", "--split"]),
    "other command": (["fit", "shop", "--users", "users.csv"], ["--users", "xcat recommend"]),
    "field elsewhere": (["recommend", "ckpt", "--hidden-size", "4"], ["--hidden-size", "xcat fit"]),
    "other word for k": (["recommend", "ckpt", "--top-k", "4"], ["--top-k", "-k"]),
    "number is a word": (["fit", "shop", "--hidden-size", "wide"], ["--hidden-size", "wide"]),
    "sizes do not fit": (["fit", "shop", "--hidden-size", "30"], ["--hidden-size", "30", "--num-attention-heads"]),
    "unknown name": (["fit", "shop", "--behavior-encoder", "cnn"], ["--behavior-encoder", "cnn", "gru"]),
    "unknown activation": (["fit", "shop", "--hidden-act", "gello"], ["--hidden-act", "gello", "gelu"]),
    "unknown split": (["fit", "shop", "--split", "random"], ["random", "leave-one-out"]),
    "unknown ties": (["fit", "shop", "--tie-policy", "coin"], ["coin", "shuffle"]),
    "unknown repeats": (["fit", "shop", "--repeats", "never"], ["repeats"]),
    "unknown interests": (["fit", "shop", "--interests", "all"], ["interests", "words"]),
    "cold share": (["fit", "shop", "--cold-items", "0.9"], ["--cold-items", "0.9"]),
    "unknown metric": (["fit", "shop", "--metric-for-best-model", "f1"], ["--metric-for-best-model", "f1", "ndcg@10"]),
    "unknown scheduler": (["fit", "shop", "--lr-scheduler-type", "zigzag"], ["zigzag", "cosine"]),
    "unknown logger": (["fit", "shop", "--report-to", "papyrus"], ["papyrus", "tensorboard"]),
    "unknown precision": (["fit", "shop", "--precision", "int3"], ["int3", "fp32"]),
    "rate below 0": (["fit", "shop", "--learning-rate", "-1"], ["--learning-rate", "-1"]),
    "no epochs": (["fit", "shop", "--num-train-epochs", "0"], ["--num-train-epochs"]),
    "unknown baseline": (["fit", "shop", "--card-baselines", "bert5rec"], ["bert5rec", "sasrec"]),
    "no configuration file": (["fit", "shop", "--config", "nowhere.yaml"], ["nowhere.yaml"]),
    "no data": (["fit", "nowhere"], ["nowhere", "does not exist"]),
    "no data at all": (["fit"], ["--items and --events"]),
    "data and tables": (["fit", "shop", "--items", "a.csv"], ["either DATA or the tables --items and --events"]),
    "no items table": (["fit", "--items", "a.csv", "--events", "b.csv"], ["a.csv", "does not exist"]),
    "unknown column": (["fit", "shop", "--columns", "sku=item"], ["sku=item", "item_id"]),
    "no encoder": (["fit", "shop", "--text-encoder", "./nowhere"], ["nowhere"]),
    "output in use": (["fit", "shop", "--output", "shop"], ["not empty"]),
    "nothing to resume": (["fit", "shop", "--output", "new", "--resume"], ["--resume"]),
    "adapter without base": (["fit", "shop", "--peft", "lora"], ["--base"]),
    "rank without adapter": (["fit", "shop", "--lora-rank", "4"], ["--lora-rank", "--peft"]),
    "unknown adapter": (["fit", "shop", "--base", "ckpt", "--peft", "ia3"], ["ia3", "lora"]),
    "no base": (["fit", "shop", "--base", "nowhere"], ["nowhere"]),
    "evaluate: no checkpoint": (["evaluate", "nowhere", "shop"], ["nowhere", "no such folder"]),
    "evaluate: empty folder": (["evaluate", "empty", "shop"], ["config.json"]),
    "evaluate: no data": (["evaluate", "ckpt", "nowhere"], ["nowhere", "does not exist"]),
    "evaluate: part": (["evaluate", "ckpt", "shop", "--part", "train"], ["'train'", "validation"]),
    "evaluate: split": (["evaluate", "ckpt", "shop", "--split", "random"], ["random", "last-basket"]),
    "evaluate: cut-off": (["evaluate", "ckpt", "shop", "-k", "0"], ["-k is 0"]),
    "evaluate: revision of a folder": (["evaluate", "ckpt", "shop", "--revision", "v1"], ["revision", "v1"]),
    "bench: model": (["bench", "shop", "--models", "sasrecc"], ["sasrecc", "sasrec"]),
    "bench: seed": (["bench", "shop", "--seed", "1"], ["--seeds"]),
    "bench: output": (["bench", "shop", "--output", "nowhere/b.json"], ["nowhere", "make it first"]),
    "bench: suffix": (["bench", "shop", "--output", "b.csv"], [".json"]),
    "bench: field": (["bench", "shop", "--hiden-size", "8"], ["--hidden-size"]),
    "bench: no data": (["bench", "nowhere"], ["nowhere", "does not exist"]),
    "recommend: both": (["recommend", "ckpt", "--history", "a", "--users", "b.csv"], ["either --history"]),
    "recommend: k": (["recommend", "ckpt", "--history", "a", "-k", "0"], ["-k is 0"]),
    "recommend: users": (["recommend", "ckpt", "--users", "nobody.csv"], ["nobody.csv"]),
    "recommend: checkpoint": (["recommend", "nowhere", "--history", "a"], ["nowhere"]),
    "recommend: output": (
        ["recommend", "ckpt", "--users", "shop/events.csv", "--output", "no/x.parquet"], ["make it first"],
    ),
    "catalogue: items": (["catalogue", "ckpt", "nowhere.csv", "--output", "new"], ["nowhere.csv"]),
    "catalogue: itself": (["catalogue", "ckpt", "shop/items.csv", "--output", "ckpt"], ["the checkpoint itself"]),
    "inspect: data": (["inspect", "nowhere"], ["nowhere"]),
    "inspect: split": (["inspect", "shop", "--split", "random"], ["random"]),
    "prepare: data": (["prepare", "nowhere"], ["nowhere"]),
    "prepare: processes": (["prepare", "shop", "--num-proc", "0"], ["--num-proc"]),
    "interests: data": (["interests", "nowhere"], ["nowhere"]),
    "interests: time": (["interests", "shop", "--before", "soon"], ["--before", "soon"]),
    "push: name": (["push", "ckpt", "me"], ["NAMESPACE/NAME"]),
    "push: checkpoint": (["push", "nowhere", "me/shop"], ["nowhere"]),
    "space: checkpoint": (["space", "nowhere", "new"], ["nowhere"]),
    "space: output": (["space", "ckpt", "shop"], ["not empty"]),
    "fit: below a file": (["fit", "shop", "--output", "note.txt/x"], ["note.txt is not a folder"]),
    "fit: not writable": (["fit", "shop", "--output", "/proc/x"], ["--output /proc/x", "nothing can be written"]),
    "fit: report below a file": (["fit", "shop", "--report", "note.txt/x.html"], ["--report", "is not a folder"]),
    "fit: report is a folder": (["fit", "shop", "--report", "folder.html"], ["--report folder.html is a folder"]),
    "bench: below a file": (["bench", "shop", "--output", "note.txt/b.json"], ["note.txt/b.json: note.txt is"]),
    "bench: not writable": (["bench", "shop", "--output", "/proc/b.json"], ["nothing can be written into /proc"]),
    "bench: values per user": (["bench", "shop", "--output", "taken.json"], ["taken.users.npz is a folder"]),
    "evaluate: report": (["evaluate", "ckpt", "shop", "--report", "note.txt/x.html"], ["note.txt is not a folder"]),
    "recommend: not writable": (
        ["recommend", "ckpt", "--users", "shop/events.csv", "--output", "/proc/x.parquet"], ["--output", "/proc ("],
    ),
    "catalogue: below a file": (
        ["catalogue", "ckpt", "shop/items.csv", "--output", "note.txt/x"], ["note.txt is not a folder"],
    ),
    "inspect: not writable": (["inspect", "shop", "--output", "/proc/x"], ["--output /proc/x", "/proc ("]),
    "prepare: below a file": (["prepare", "shop", "--output", "note.txt/x"], ["--output", "note.txt is not a folder"]),
    "prepare: output": (["prepare", "shop", "--output", "shop"], ["shop is not empty"]),
    "space: below a file": (["space", "ckpt", "note.txt/x"], ["note.txt is not a folder"]),
    "index: kind": (
        ["index", "ckpt", "--kind", "foo", "--output", "i"], ["'--kind': 'foo' is not one of 'exact', 'hnsw'"],
    ),
    "tune: trials": (["tune", "shop", "--trials", "foo"], ["'--trials': give a whole number"]),
    "index: recall": (
        ["index", "ckpt", "--recall", "foo", "--output", "i"], ["Invalid value for '--recall': give a number"],
    ),
    "fit: earlier report": (["fit", "shop", "--report", "old.html"], [EARLIER.format("--report old.html", "file")]),
    "evaluate: earlier report": (
        ["evaluate", "ckpt", "shop", "--report", "old.html"], [EARLIER.format("--report old.html", "file")],
    ),
    "bench: earlier report": (["bench", "shop", "--report", "old.html"], ["--report old.html holds an earlier"]),
    "bench: earlier results": (
        ["bench", "shop", "--output", "old.json"], ["holds an earlier result", "--resume to continue it, --overwrite"],
    ),
    "recommend: earlier lists": (
        ["recommend", "ckpt", "--users", "shop/events.csv", "--output", "old.parquet"],
        [EARLIER.format("--output old.parquet", "file")],
    ),
    "explain: earlier picture": (
        ["explain", "ckpt", "--item", "a", "--heatmap", "old.svg"], [EARLIER.format("--heatmap old.svg", "file")],
    ),
    "demo: below a file": (["demo", "--output", "note.txt/x"], ["--output note.txt/x", "is not a folder"]),
    "demo: epochs": (["demo", "--epochs", "0", "--output", "new"], ["--epochs"]),
}  # fmt: skip

RUNNER = """
import io, json, os, sys
import huggingface_hub, polars, pyarrow.compute, rich.console, yaml  # light, but not for every fork anew
from contextlib import redirect_stderr, suppress
from xcat_rec.cli.app import main
from xcat_rec.cli.suggestions import field_options

field_options()  # read once for all forks
with redirect_stderr(io.StringIO()), suppress(SystemExit):
    main(["fit", "shop", "--epochs", "3"])  # imports what nearly every command imports, once
answers = {}
for name, arguments in json.load(sys.stdin).items():
    reading, writing = os.pipe()
    if not os.fork():
        shown, code = io.StringIO(), None
        try:
            with redirect_stderr(shown):
                main(arguments)
        except SystemExit as stop:
            code = stop.code
        except BaseException as error:
            shown.write(repr(error))
        loaded = [module for module in %r if module in sys.modules]
        os.write(writing, json.dumps([code, shown.getvalue()[-4000:], loaded]).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        answers[name] = json.load(answer)
    os.wait()
print(json.dumps(answers))
""" % (HEAVY,)  # noqa: UP031 there are braces in it


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("usage")
    (folder / "note.txt").write_text("a note")
    (folder / "old").mkdir()
    for name in ("old.html", "old.json", "old.parquet", "old.svg", "old/report.html"):
        (folder / name).write_text("[]")
    for name in ("shop", "empty", "ckpt", "folder.html", "taken.users.npz"):
        (folder / name).mkdir()
    (folder / "shop" / "items.csv").write_text("item_id,title\na,A\n")
    (folder / "shop" / "events.csv").write_text("user_id,item_id,timestamp\nu,a,1\n")
    (folder / "ckpt" / "config.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def answers(folder: Path) -> dict[str, list]:
    """The exit code, messages and heavy modules of each case, run in a fork of a process that has none of them."""
    cases = json.dumps({name: arguments for name, (arguments, _) in CASES.items()})
    done = subprocess.run(
        [sys.executable, "-c", RUNNER], input=cases, capture_output=True, text=True, cwd=folder, check=True
    )
    found: dict[str, list] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("case", CASES)
def test_bad_usage(case, answers):
    code, message, loaded = answers[case]
    plain = " ".join(message.replace("│", " ").split())
    assert code == 2, plain
    for word in CASES[case][1]:
        assert word in plain, plain
    assert not loaded, plain
