"""What a trainer puts on the hub, and when: all that a checkpoint needs, each state in one commit."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from transformers import Trainer
from transformers.trainer_utils import HubStrategy
from transformers.utils.hub import PushInProgress

from ..checkpoints.load import bare_model, note_catalogue
from ..modeling_xcat.origin_xcat import CARD_FILE, card_of_origin
from ..modeling_xcat.pushing_xcat import CARD, NOTHING_RECORDED, SHARED, check_base_name, push_folder
from ..modeling_xcat.saving_xcat import usual_permissions

logger = logging.getLogger(__name__)

ARGUMENTS_FILE = "training_args.bin"
STATE_FILE = "trainer_state.json"
OF_RUN = "<!-- Written anew with every save. Delete this line to keep what you change. -->"
"""Stands in the card of a run, which is written again; a card without it is kept."""


class HubPushes(Trainer):
    """The hub methods of a trainer.

    `Trainer` copies a fixed list of files, which lacks the code and the catalogue, and reads the folder that it pushes
    while the next state is written into it. Here a state is set aside, and pushed as it was.

    Attributes:
        card: What gives the text of the model card when a state is pushed; None for the card that somebody has put
            into the output folder, or for the card of the run.
            Where there is no card at all, one says how to load the model.
    """

    card: Callable[[], str] | None = None
    hub_model_id: Any
    push_in_progress: Any
    _pusher: ThreadPoolExecutor | None = None  # of one thread: each commit names the one before it

    def init_hf_repo(self, token: str | None = None, private: bool | None = None) -> None:
        """Make the repository; before that, see that an adapter could be used by others.

        Args:
            token: Token for the hub; None for that of the arguments.
            private: Whether the repository is made private if it is made; None for what the arguments say.

        Raises:
            ValueError: If the model is an adapter on a base that lies in a folder.
        """
        for settings in getattr(self.model, "peft_config", {}).values():
            check_base_name(settings.base_model_name_or_path, str(self.args.hub_model_id or self.args.output_dir))
        super().init_hf_repo(token=token, private=private)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        note_catalogue(self.model, self.processing_class)
        card = Path(output_dir or self._output) / CARD_FILE
        before = card.read_bytes() if card.is_file() else None
        super()._save(output_dir, state_dict)
        if self.args.should_save:
            # peft writes into the card, or makes one, that says where the base lay.
            card.write_bytes(before) if before is not None else card.unlink(missing_ok=True)
            # A pickle that nothing reads, with the token for the hub in it.
            (Path(output_dir or self._output) / ARGUMENTS_FILE).unlink(missing_ok=True)
            usual_permissions(Path(output_dir or self._output).glob("*.safetensors"))  # of an adapter

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write the card into the output folder; that of transformers would say nothing true.

        Args:
            *args: Of `Trainer.create_model_card`; unused.
            **kwargs: The same.
        """
        if not self.is_world_process_zero():
            return
        path = self._output / CARD_FILE
        name = str(self.hub_model_id or self.args.hub_model_id or path.absolute().parent.name)
        text = self._card_text(self._output) or CARD.format(title=name.rpartition("/")[2], name=name)
        path.write_text(text, encoding="utf-8")

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """As in `Trainer`, with the card of the run beside the model.

        Args:
            output_dir: The folder; None for that of the arguments.
            _internal_call: Whether the trainer itself calls, which writes a card where it needs one.
        """
        super().save_model(output_dir, _internal_call)
        folder = Path(output_dir or self._output)
        text = None if _internal_call or not self.args.should_save else self._card_text(folder)
        if text is not None:
            (folder / CARD_FILE).write_text(text, encoding="utf-8")

    def card_of_run(self) -> str | None:
        """The text of the card of this run; None where nothing was trained, and without `model_cards.run_cards`."""
        return None

    def _card_text(self, folder: Path) -> str | None:
        """The text of the card of a folder that holds the model; None where nothing is known."""
        if self.card is not None:
            return self.card()
        there = folder / CARD_FILE
        text = there.read_text(encoding="utf-8") if there.is_file() else ""
        if text and OF_RUN not in text and NOTHING_RECORDED not in text:
            return text
        model = bare_model(self.model)
        return self.card_of_run() or card_of_origin(
            (model.name_or_path,), folder, getattr(model.config, "_commit_hash", None)
        )

    def push_to_hub(
        self,
        commit_message: str | None = "End of training",
        blocking: bool = True,
        token: str | None = None,
        revision: str | None = None,
        private: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Push model, processor and card to `args.hub_model_id`.

        Args:
            commit_message: Title of the commit.
            blocking: Whether to wait until it is done.
            token: Token for the hub; None for that of the arguments.
            revision: Branch; None for `args.hub_revision`.
            private: Whether the repository is made private if it is made; None for what the arguments say.
            **kwargs: For `create_model_card`.

        Returns:
            The commit, or a future of it; None in all processes but the first.
        """
        self.callback_handler.on_push_begin(self.args, self.state, self.control)
        if self.hub_model_id is None:
            self.init_hf_repo(token=token, private=private)
        self.save_model(_internal_call=True)
        if not self.is_world_process_zero():
            return None
        self.create_model_card(**kwargs)
        self._finish_current_push()
        message = commit_message or "End of training"
        if blocking:
            return self.push_output(self._output, message, token=token, revision=revision)
        return self._push_aside(self._output, message, SHARED, token=token, revision=revision)

    def push_output(
        self, folder: Path, message: str = "End of training", token: str | None = None, revision: str | None = None
    ) -> Any:
        """Push a folder that holds the whole checkpoint and its card, after pushes that are under way.

        Args:
            folder: The checkpoint.
            message: Title of the commit.
            token: Token for the hub; None for that of the arguments.
            revision: Branch; None for `args.hub_revision`.

        Returns:
            The commit.
        """
        self._finish_current_push()
        return push_folder(folder, self.hub_model_id, message=message, **self._place(token, revision))

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        if not self.is_world_process_zero() or self.args.hub_strategy == HubStrategy.END:
            return
        if not self.args.hub_always_push and self.push_in_progress is not None and not self.push_in_progress.is_done():
            return
        self.callback_handler.on_push_begin(self.args, self.state, self.control)
        self.create_model_card()
        folder = Path(checkpoint_folder)
        message = f"Training in progress, step {self.state.global_step}"
        jobs = [self._push_aside(folder, message, SHARED)]
        if self.args.hub_strategy != HubStrategy.EVERY_SAVE:
            last = self.args.hub_strategy == HubStrategy.CHECKPOINT
            place = "last-checkpoint" if last else folder.name
            jobs.append(self._push_aside(folder, f"{message}, checkpoint", ("*",), path_in_repo=place))
        if self.push_in_progress is None or self.push_in_progress.is_done():
            self.push_in_progress = PushInProgress(jobs)  # type: ignore[arg-type]
        else:
            self.push_in_progress.jobs.extend(jobs)

    @property
    def _output(self) -> Path:
        return Path(str(self.args.output_dir))

    def _place(self, token: str | None, revision: str | None) -> dict[str, Any]:
        return {"token": token or self.args.hub_token, "revision": revision or self.args.hub_revision}

    def _push_aside(
        self,
        folder: Path,
        message: str,
        files: tuple[str, ...],
        path_in_repo: str = "",
        token: str | None = None,
        revision: str | None = None,
    ) -> Future[Any]:
        """Push in the background what a folder holds now; it may be changed or removed meanwhile."""
        output = self._output
        aside = Path(tempfile.mkdtemp(prefix=".pushing-", dir=output))
        # Files of a checkpoint's folder are never written again, so a second name keeps what they hold.
        keep = shutil.copyfile if folder == output else _link
        for path in folder.iterdir():
            if path.is_file() and path.name != CARD_FILE and (path_in_repo or path.name != STATE_FILE):
                keep(path, aside / path.name)
        card = output / CARD_FILE
        if not path_in_repo and card.is_file():
            shutil.copyfile(card, aside / CARD_FILE)
        if self._pusher is None:
            self._pusher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="push")
        job: Future[Any] = self._pusher.submit(
            push_folder,
            aside,
            self.hub_model_id,
            message=message,
            path_in_repo=path_in_repo,
            files=files,
            **self._place(token, revision),
        )
        job.add_done_callback(lambda done: _finish(done, aside))
        return job


def _link(source: Path, target: Path) -> None:
    """A second name for a file costs nothing and outlives the first; where there are none, a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _finish(job: Future[Any], aside: Path) -> None:
    shutil.rmtree(aside, ignore_errors=True)
    if not job.cancelled() and job.exception() is not None:
        logger.warning("a state of the training was not pushed, and training goes on: %s", job.exception())
