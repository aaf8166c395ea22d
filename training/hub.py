"""Uploads of a trainer to the hub: complete checkpoints, one commit per state."""

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

from ..checkpoints.json_files import STATE_FILE
from ..checkpoints.load import bare_model, note_catalogue
from ..modeling_xcat.origin_xcat import card_of_origin
from ..modeling_xcat.pushing_xcat import CARD, NOTHING_RECORDED, SHARED, check_base_name, push_folder
from ..modeling_xcat.saving_xcat import CARD_FILE, usual_permissions

logger = logging.getLogger(__name__)

ARGUMENTS_FILE = "training_args.bin"
OF_RUN = "<!-- This card is rewritten at every save. Delete this line to keep your changes. -->"
"""Marks the card of a run, which is rewritten; a card without the mark is kept."""


class HubPushes(Trainer):
    """The hub methods of a trainer.

    `Trainer` copies a fixed list of files without the code and the catalogue, and reads the pushed folder while the
    next state is written into it. Here each state is copied aside and pushed unchanged.

    Attributes:
        card: Computes the text of the model card when a state is pushed; None for the card in the output folder,
            or for the card of the run.
            Without any card, a short one that shows how to load the model.
    """

    card: Callable[[], str] | None = None
    hub_model_id: Any
    push_in_progress: Any
    _pusher: ThreadPoolExecutor | None = None  # one thread: each commit has the previous one as parent

    def init_hf_repo(self, token: str | None = None, private: bool | None = None) -> None:
        """Create the repository, after checking that others can use an adapter.

        Args:
            token: Token for the hub; None for the token in the arguments.
            private: Whether a new repository is private; None for the value in the arguments.

        Raises:
            ValueError: If the model is an adapter whose base is a local folder.
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
            # peft writes the local path of the base into the card.
            card.write_bytes(before) if before is not None else card.unlink(missing_ok=True)
            # An unused pickle that contains the hub token.
            (Path(output_dir or self._output) / ARGUMENTS_FILE).unlink(missing_ok=True)
            usual_permissions(Path(output_dir or self._output).glob("*.safetensors"))  # for an adapter

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write the card into the output folder, instead of transformers' template.

        Args:
            *args: As in `Trainer.create_model_card`; unused.
            **kwargs: The same.
        """
        if not self.is_world_process_zero():
            return
        path = self._output / CARD_FILE
        name = str(self.hub_model_id or self.args.hub_model_id or path.absolute().parent.name)
        text = self._card_text(self._output) or CARD.format(title=name.rpartition("/")[2], name=name)
        path.write_text(text, encoding="utf-8")

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """As in `Trainer`, plus the card of the run.

        Args:
            output_dir: The folder; None for the folder in the arguments.
            _internal_call: Whether the trainer calls it; the trainer writes a card itself if needed.
        """
        super().save_model(output_dir, _internal_call)
        folder = Path(output_dir or self._output)
        text = None if _internal_call or not self.args.should_save else self._card_text(folder)
        if text is not None:
            (folder / CARD_FILE).write_text(text, encoding="utf-8")

    def card_of_run(self) -> str | None:
        """The text of this run's card; None if nothing was trained, or without `model_cards.run_cards`."""
        return None

    def _card_text(self, folder: Path) -> str | None:
        """The card text of a folder with the model; None without a card."""
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
            blocking: Whether to wait until the upload is complete.
            token: Token for the hub; None for the token in the arguments.
            revision: Branch; None for `args.hub_revision`.
            private: Whether a new repository is private; None for the value in the arguments.
            **kwargs: For `create_model_card`.

        Returns:
            The commit, or a future of it; None in processes other than the first.
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
        """Push a folder with the whole checkpoint and its card, after pushes in progress.

        Args:
            folder: The checkpoint.
            message: Title of the commit.
            token: Token for the hub; None for the token in the arguments.
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
        """Push a folder's current content in the background; the folder may be changed or removed meanwhile."""
        output = self._output
        aside = Path(tempfile.mkdtemp(prefix=".pushing-", dir=output))
        # Files of a checkpoint folder are never rewritten, so a hard link keeps their content.
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
    """Make a hard link, which costs nothing and outlives the original name; a copy if links are not supported."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _finish(job: Future[Any], aside: Path) -> None:
    shutil.rmtree(aside, ignore_errors=True)
    if not job.cancelled() and job.exception() is not None:
        logger.warning("a state of the training was not pushed, and training goes on: %s", job.exception())
