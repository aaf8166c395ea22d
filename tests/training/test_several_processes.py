"""Several processes over gloo: another world size after a fault, a killed one, sharded tables, odd user numbers."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch import distributed
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor
from transformers import Trainer, TrainerCallback

from xcat_rec.cli.app import main
from xcat_rec.modeling_xcat.attention_xcat import XCatAttentionBlock
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.collators import PackingCollator
from xcat_rec.training.preparation.options import PreparationOptions, PreparedTraining
from xcat_rec.training.preparation.prepare import prepare_training
from xcat_rec.training.trainer import XCatTrainer
from xcat_rec.training.tuning import reranker

from ..tiny_shop import QUICK, SMALL, save_text_encoder, shop, write_shop

ROOT = Path(__file__).parents[2]
GLOBAL_BATCH = 12
ODD_USERS = 61


def prepared(folder: Path, users: int = 60, **changed: Any) -> PreparedTraining:
    """A model without anything random but its weights, and samples where the configuration is changed to take some."""
    encoder = folder / "encoder"
    if not encoder.exists():
        save_text_encoder(encoder)
    config = {**SMALL, "hidden_dropout": 0.0, "id_dropout": 0.0, **changed}
    options = PreparationOptions(
        text_encoder=str(encoder), split="leave-one-out", config=config, cache_dir=folder / "cache"
    )
    return prepare_training(shop(users), options)


def trainer_of(
    folder: Path, output: str, users: int = 60, config: dict[str, Any] | None = None, **settings: Any
) -> XCatTrainer:
    """A trainer of two epochs whose global batch is the same at any world size."""
    start = prepared(folder, users, **(config or {}))
    world = int(os.environ.get("WORLD_SIZE", "1"))
    changed = {
        "num_train_epochs": 2, "per_device_train_batch_size": GLOBAL_BATCH // world, "logging_steps": 1,
        "logging_strategy": "steps", "early_stopping_patience": 0, "load_best_model_at_end": False,
    }  # fmt: skip
    args = XCatTrainingArguments(output_dir=str(folder / output), **{**QUICK, **changed, **settings})
    assert args.world_size == world
    return XCatTrainer(start.model, args, start.splits["train"], start.splits["validation"], start.processor)


def accelerate(configuration: str) -> list[str]:
    """The launcher of accelerate with a configuration of ours, in two processes."""
    path = ROOT / "configs" / "accelerate" / configuration
    return [
        "accelerate.commands.launch", "--config_file", str(path), "--num_processes", "2", "--main_process_port", "0",
    ]  # fmt: skip


TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def launch_command(folder: Path, worker: str, launcher: list[str] = TORCHRUN) -> list[str]:
    """The command that runs a function of this file in two processes."""
    script = folder / f"{worker}.py"
    script.write_text(
        "import pathlib, sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        f"from tests.training.test_several_processes import {worker}\n"
        f"from xcat_rec.training.tuning import reranker\n"
        f"reranker._STEPS = {reranker._STEPS}\n"
        f"{worker}(pathlib.Path({str(folder)!r}))\n"
    )
    return [sys.executable, "-m", *launcher, str(script)]


def run_to_end(command: list[str], seconds: float = 400) -> subprocess.CompletedProcess[str]:
    """Run a launcher; one that hangs is asked to end, so that it takes its processes with it."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            out, err = running.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            running.terminate()
            out, err = running.communicate(timeout=60)
            pytest.fail(f"{command} has not ended after {seconds} s:\n{err[-3000:]}")
    return subprocess.CompletedProcess(command, running.returncode, out, err)


def launch(folder: Path, worker: str, launcher: list[str] = TORCHRUN) -> None:
    done = run_to_end(launch_command(folder, worker, launcher))
    assert done.returncode == 0, f"exit code {done.returncode}; all processes said:\n{done.stderr}"


def shown(metrics: dict[str, float]) -> dict[str, float]:
    """Metrics of an evaluation, without its times."""
    return {name: value for name, value in metrics.items() if "@" in name or "num_targets" in name}


def losses(trainer: XCatTrainer) -> dict[str, float]:
    """Training loss of every step."""
    return {str(entry["step"]): entry["loss"] for entry in trainer.state.log_history if "loss" in entry}


class Interrupt(TrainerCallback):
    """Ends training in the middle of an epoch, as a fault of the machine would."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 7:
            raise RuntimeError("the machine failed")


def resume(folder: Path) -> None:
    """Go on in two processes with what one has begun, and write down what came of it."""
    trainer = trainer_of(folder, "begun")
    assert distributed.get_world_size() == 2
    trainer.train(resume_from_checkpoint=str(folder / "begun" / "checkpoint-5"))
    metrics = trainer.evaluate()
    if trainer.is_world_process_zero():
        (folder / "resumed.json").write_text(json.dumps({"losses": losses(trainer), "metrics": shown(metrics)}))


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The folder in which two processes did their part of six tests, one of which kills a process, and their end."""
    folder = tmp_path_factory.mktemp("done")
    begun = trainer_of(folder, "begun")
    begun.add_callback(Interrupt())
    with pytest.raises(RuntimeError, match="the machine failed"):
        begun.train()
    write_shop(folder / "shop")
    launched = run_to_end(launch_command(folder, "all_parts"))
    (folder / "ended").touch()
    return folder, launched


@pytest.fixture(scope="module")
def done(ended: tuple[Path, subprocess.CompletedProcess[str]]) -> Path:
    """The folder of the parts that end well."""
    folder, launched = ended
    assert (folder / "killed").exists(), f"an earlier part failed; all processes said:\n{launched.stderr}"
    return folder


def all_parts(folder: Path) -> None:
    """The parts of six tests in the same processes, because starting them takes longer than the parts."""
    for part in (train, resume, evaluate, sharded, command, killed):
        part(folder)


def train(folder: Path) -> None:
    """Train and evaluate, and write down what came of it."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    trainer = trainer_of(
        folder, f"trained-{world}", num_train_epochs=3, load_best_model_at_end=True, ddp_find_unused_parameters=True
    )
    trainer.train()
    metrics = trainer.evaluate()
    if trainer.is_world_process_zero():
        found = {"losses": losses(trainer), "metrics": {**shown(metrics), "eval_loss": metrics["eval_loss"]}}
        (folder / f"trained-{world}.json").write_text(json.dumps(found))


def test_two_processes_train_and_evaluate_as_one(done):
    train(done)
    alone, together = (json.loads((done / f"trained-{world}.json").read_text()) for world in (1, 2))
    assert list(alone["losses"]) == [str(step) for step in range(1, 16)]
    assert together["losses"] == pytest.approx(alone["losses"], abs=1e-4)
    assert together["metrics"].keys() == alone["metrics"].keys()
    for name, value in alone["metrics"].items():
        assert together["metrics"][name] == pytest.approx(value, abs=1e-6, nan_ok=True), name


def test_two_processes_resume_a_run_of_one(done, tmp_path):
    whole = trainer_of(tmp_path, "whole")
    whole.train()
    resumed = json.loads((done / "resumed.json").read_text())
    assert list(resumed["losses"]) == [str(step) for step in range(1, 11)]
    assert resumed["losses"] == pytest.approx(losses(whole), abs=1e-4)
    expected = shown(whole.evaluate())
    assert resumed["metrics"].keys() == expected.keys()
    for name, value in expected.items():
        assert resumed["metrics"][name] == pytest.approx(value, abs=1e-4, nan_ok=True), name


class Kill(TrainerCallback):
    """Kills the second process at its third step; every process leaves its number behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        (self.folder / f"{args.process_index}.pid").write_text(str(os.getpid()))
        if state.global_step == 3 and args.process_index == 1:
            (self.folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)


def killed(folder: Path) -> None:
    """Train in two processes, one of which is killed."""
    trainer = trainer_of(folder, "killed")
    trainer.add_callback(Kill(folder))
    trainer.train()
    (folder / "trained").touch()


def test_a_killed_process_ends_the_others(ended):
    """As if the kernel kills one for lack of memory: the launcher names it, and no process waits forever."""
    folder, launched = ended
    assert (folder / "ended").stat().st_mtime - (folder / "killed").stat().st_mtime < 60
    assert launched.returncode != 0 and not (folder / "trained").exists()
    assert "Signal 9 (SIGKILL)" in launched.stderr and "rank      : 1" in launched.stderr
    for rank in (0, 1):
        assert not psutil.pid_exists(int((folder / f"{rank}.pid").read_text()))


def sharded(folder: Path) -> None:
    """Compare loss, gradients and scores of a sharded model and the same model in one piece."""
    assert distributed.get_backend() == "gloo"
    start = prepared(folder)
    model = start.model.train()
    rows = [start.splits["train"][i] for i in range(GLOBAL_BATCH)]
    inputs = PackingCollator(start.processor)(rows)
    queries = start.processor.collate(rows)
    loss = model(**inputs).loss
    loss.backward()
    gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    scores = model.eval().score_catalogue(**queries)
    for block in [module for module in model.modules() if isinstance(module, XCatAttentionBlock)]:
        fully_shard(block)
    fully_shard(model)
    register_fsdp_forward_method(model, "score_catalogue")
    table = model.model.items.id_embeddings.weight
    sharded_loss = model.train()(**inputs).loss
    sharded_loss.backward()
    parameters = dict(model.named_parameters())
    again = model.eval().score_catalogue(**queries)
    found = {
        "loss": [loss.item(), sharded_loss.item()],
        "table": [list(table.shape), list(table.to_local().shape)],
        "norms": {name: gradient.norm().item() for name, gradient in gradients.items()},
        "apart": {
            name: (parameters[name].grad.full_tensor() - gradient).abs().max().item()
            for name, gradient in gradients.items()
        },
        "scores": (again - scores)[:, 2:].abs().max().item(),
        "buffer": list(model.model.items.text_states.shape),
    }
    (folder / f"sharded-{distributed.get_rank()}.json").write_text(json.dumps(found))


def test_sharded_tables_give_the_same_loss_and_gradients(done):
    """`fully_shard` on gloo cuts every parameter by rows, the item table too.

    Not sharded are buffers, so each process holds the text states of the whole catalogue; and the root unit is
    gathered whole for the time of a step, so that what is saved is the table's gradient and optimizer states and its
    memory between steps. Methods other than `forward` gather nothing by themselves: `score_catalogue` has to be
    registered.
    """
    start = prepared(done)
    found = [json.loads((done / f"sharded-{rank}.json").read_text()) for rank in (0, 1)]
    rows, width = start.model.model.items.id_embeddings.weight.shape
    assert [part["table"] for part in found] == [[[rows, width], [rows // 2, width]]] * 2
    assert found[0]["norms"] == found[1]["norms"]  # else the two had not the same model and batch to begin with
    for part in found:
        assert part["loss"][1] == pytest.approx(part["loss"][0], abs=1e-4)
        assert len(part["apart"]) > 20 and part["apart"] == pytest.approx(dict.fromkeys(part["apart"], 0), abs=1e-4)
        assert part["scores"] < 1e-4
        assert part["buffer"][0] == start.model.config.num_texts


UNJUDGED = {"eval_strategy": "no", "save_strategy": "no", "tune_neighbor_weight": False}
BEST = {"num_train_epochs": 3, "load_best_model_at_end": True, "save_total_limit": 5}


def shard_on_cpu() -> None:
    """accelerate shards on accelerators alone and without a word makes DDP of FSDP on a CPU; here it shards."""
    make = Trainer.create_accelerator_and_postprocess

    def made(trainer: Trainer) -> None:
        plugin = FullyShardedDataParallelPlugin()  # of the environment, where the launcher has put its configuration
        Accelerator(cpu=True)
        states = AcceleratorState._shared_state, PartialState._shared_state
        for state in states:
            state["distributed_type"] = DistributedType.FSDP
        states[0]["fsdp_plugin"] = plugin
        make(trainer)

    Trainer.create_accelerator_and_postprocess = made


def train_sharded(folder: Path) -> None:
    """Train with the configuration for FSDP2, go on from the first epoch, and run `xcat fit`."""
    shard_on_cpu()
    trainer = trainer_of(folder, "sharded", **BEST)
    given = trainer.model
    trainer.train()
    sharded = trainer.accelerator._models[0]
    table = sharded.model.items.id_embeddings.weight
    plugin = trainer.accelerator.state.fsdp_plugin
    found = {
        "losses": losses(trainer), "evaluations": evaluations(trainer), "metrics": shown(trainer.evaluate()),
        "best": Path(trainer.state.best_model_checkpoint).name, "neighbor_weight": given.config.neighbor_weight,
        "units": [name for name, module in sharded.named_modules() if isinstance(module, FSDPModule)],
        "table": [list(table.shape), list(table.to_local().shape)],
        "moments": list(trainer.optimizer.state[table]["exp_avg"].to_local().shape),
        "plugin": [plugin.fsdp_version, str(plugin.state_dict_type), plugin.reshard_after_forward],
    }  # fmt: skip
    assert trainer.model is given and not any(isinstance(p, DTensor) for p in given.parameters())
    trainer.save_model(str(folder / "final"))
    again = trainer_of(folder, "again", **BEST)
    again.train(resume_from_checkpoint=str(folder / "sharded" / "checkpoint-5"))
    found["resumed"] = losses(again)
    keeping = trainer_of(folder, "keeping", adaptor_refresh_steps=2, max_steps=4, **UNJUDGED)
    keeping.train()
    found["keeping"] = losses(keeping)
    (folder / f"sharded-{trainer.args.process_index}.json").write_text(json.dumps(found))
    with pytest.raises(SystemExit, match="0"):
        main(fit_arguments(folder / "shop", folder / "encoder", folder / "fitted"))


def evaluations(trainer: XCatTrainer) -> list[dict[str, float]]:
    """Metrics of the evaluations during training."""
    return [shown(entry) for entry in trainer.state.log_history if "eval_ndcg@10" in entry]


@pytest.mark.slow
@pytest.mark.usefixtures("whole_fits")  # as in the processes that it starts
def test_the_configuration_for_fsdp2_trains_evaluates_and_saves(tmp_path):
    """Like one process, except that each of the two has half of the parameters during training."""
    whole = trainer_of(tmp_path, "whole", **BEST)
    whole.train()
    write_shop(tmp_path / "shop")
    launch(tmp_path, "train_sharded", launcher=accelerate("gpu_fsdp2.yaml"))
    rows, width = whole.model.model.items.id_embeddings.weight.shape
    for rank in (0, 1):
        found = json.loads((tmp_path / f"sharded-{rank}.json").read_text())
        assert found["plugin"] == [2, "StateDictType.FULL_STATE_DICT", True]
        assert {"", "model.items", "model.encoder.layers.0", "model.fusion.layers.0"} <= set(found["units"])
        assert found["table"] == [[rows, width], [rows // 2, width]] and found["moments"] == [rows // 2, width]
        assert found["losses"] == pytest.approx(losses(whole), abs=1e-3)
        assert found["best"] == Path(whole.state.best_model_checkpoint).name
        assert found["neighbor_weight"] == whole.model.config.neighbor_weight
        assert found["resumed"] == pytest.approx(found["losses"], abs=1e-4)
        first = {step: losses(whole)[step] for step in "1234"}
        assert found["keeping"]["1"] == pytest.approx(first["1"], abs=1e-3)
        assert found["keeping"] == pytest.approx(first, abs=0.1) and found["keeping"] != first
        for ours, theirs in zip(found["evaluations"], evaluations(whole), strict=True):
            assert ours == pytest.approx(theirs, abs=1e-4, nan_ok=True)
    expected = shown(whole.evaluate())
    assert found["metrics"] == pytest.approx(expected, abs=1e-4, nan_ok=True)
    loaded = trainer_of(tmp_path, "loaded")
    loaded.model = XCatForNextItem.from_pretrained(tmp_path / "final")
    assert shown(loaded.evaluate()) == pytest.approx(expected, abs=1e-4, nan_ok=True)
    for name, value in whole.model.state_dict().items():
        # Fitted afterwards, to scores that are the same to rounding: two candidates that rounding exchanges are drawn
        # in other steps, so these weights differ a little more; features of a query are nearly collinear, so their
        # weights differ more than their sum. The metrics above are the same.
        bound = 0.1 if ".asks." in name else 5e-2 if ".candidates." in name else 1e-3
        assert torch.allclose(loaded.model.state_dict()[name].float(), value.float(), atol=bound), name
    fitted = {entry.name for entry in (tmp_path / "fitted").iterdir()}
    assert {"model.safetensors", "modeling_xcat.py", "items.arrow", "README.md"} <= fitted and "training" not in fitted


def sampled(folder: Path) -> dict[str, dict[str, float]]:
    """Losses of sampled objectives, with candidates shared by the processes and not."""
    found = {}
    for objective, shares in (("sampled_softmax", True), ("gbce", True), ("gbce", False)):
        config = {"objective": objective, "num_negatives": 6}
        trainer = trainer_of(folder, "sampled", config=config, share_negatives=shares, **UNJUDGED)
        trainer.train()
        found[f"{objective}-{shares}"] = losses(trainer)
    (folder / f"sampled-{trainer.args.world_size}-{trainer.args.process_index}.json").write_text(json.dumps(found))
    return found


def furthest(one: dict[str, float], other: dict[str, float]) -> tuple[float, str]:
    """The largest difference of a step's loss, and the step."""
    assert list(one) == list(other) == [str(step) for step in range(1, 11)], (one, other)
    return max((abs(one[step] - other[step]), step) for step in one)


@pytest.mark.slow
def test_shared_negatives_give_the_losses_of_one_process(tmp_path):
    alone = sampled(tmp_path)
    launch(tmp_path, "sampled")
    first, second = (json.loads((tmp_path / f"sampled-2-{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    apart = {name: furthest(losses, first[name]) for name, losses in alone.items()}
    told = f"largest difference and its step: {apart}; one process: {alone}; two: {first}"
    assert apart["sampled_softmax-True"][0] < 1e-4 and apart["gbce-True"][0] < 1e-4, told
    assert apart["gbce-False"][0] > 1e-2, told


def evaluate(folder: Path) -> None:
    """Evaluate users that two processes cannot share evenly."""
    trainer = trainer_of(folder, "evaluated", ODD_USERS)
    seen: list[int] = []
    inner = trainer.compute_metrics

    def counting(prediction: Any) -> Any:
        seen.append(len(prediction.predictions[0]))
        return inner(prediction)

    trainer.compute_metrics = counting
    metrics = shown(trainer.evaluate())
    (folder / f"evaluated-{trainer.args.process_index}.json").write_text(json.dumps([seen, metrics]))


def test_two_processes_count_every_user_once(done, tmp_path):
    alone = trainer_of(tmp_path, "alone", ODD_USERS)
    assert len(alone.eval_dataset) == ODD_USERS
    expected = shown(alone.evaluate())
    for rank in (0, 1):
        seen, metrics = json.loads((done / f"evaluated-{rank}.json").read_text())
        assert seen == [ODD_USERS]
        assert metrics.keys() == expected.keys()
        for name, value in expected.items():
            assert metrics[name] == pytest.approx(value, abs=1e-6, nan_ok=True), name


def fit_arguments(data: Path, encoder: Path, output: Path) -> list[str]:
    """Arguments of `xcat` for a training of seconds."""
    return [
        "fit", str(data), "--output", str(output), "--text-encoder", str(encoder), "--split", "leave-one-out",
        "--hidden-size", "32", "--max-history", "8", "--num-attention-heads", "2", "--num-train-epochs", "2",
        "--per-device-train-batch-size", "6", "--precision", "fp32", "--use-cpu", "--json",
    ]  # fmt: skip


def command(folder: Path) -> None:
    """Run `xcat fit` as `torchrun -m xcat_rec.cli fit` does."""
    sys.argv = ["xcat", *fit_arguments(folder / "shop", folder / "encoder", folder / "checkpoint")]
    shown = sys.stdout  # the module replaces it
    with pytest.raises(SystemExit, match="0"):
        runpy.run_module("xcat_rec.cli", run_name="__main__")
    sys.stdout = shown


def test_the_command_runs_as_two_processes_of_torchrun(ended, done):
    check_command(ended[1], done / "checkpoint")


@pytest.mark.slow
def test_the_command_runs_as_two_processes_of_accelerate(tmp_path):
    data, encoder = write_shop(tmp_path / "shop"), save_text_encoder(tmp_path / "encoder")
    launcher, output = accelerate("cpu_two_processes.yaml"), tmp_path / "checkpoint"
    launched = run_to_end(
        [sys.executable, "-m", *launcher, "-m", "xcat_rec.cli", *fit_arguments(data, encoder, output)]
    )
    assert launched.returncode == 0, launched.stderr[-3000:]
    check_command(launched, output)


def check_command(done: subprocess.CompletedProcess[str], output: Path) -> None:
    """Two processes train, and one of them prints and saves the result."""
    answers = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(answers) == 1 and json.loads(answers[0])["epochs"] == 2
    assert {"model.safetensors", "items.arrow", "README.md"} <= {entry.name for entry in output.iterdir()}
    assert not (output / "training").exists()
    assert done.stderr.count("preparing ") == 1  # the first process alone reports
    card = (output / "README.md").read_text(encoding="utf-8")
    assert "- Processes: 2." in card  # accelerate can start fewer than requested
