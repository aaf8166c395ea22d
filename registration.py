"""Registration of XCat's classes with `transformers`, when the needed parts of `transformers` are loaded.

`import xcat_rec` must be fast, and afterwards `AutoModel.from_pretrained("CKPT")` and
`transformers.pipeline` must find the classes of this package. So each class is registered when the module with
its registry has been imported: at once, or later by an import hook.
"""

from __future__ import annotations

import sys
from _thread import get_ident  # `threading` would take as long as the rest of `import xcat_rec`

TASK = "item-recommendation"

_PACKAGES = ("transformers", __name__.partition(".")[0])


def _config() -> None:
    from transformers import AutoConfig

    from .modeling_xcat.configuration_xcat import XCatConfig

    AutoConfig.register(XCatConfig.model_type, XCatConfig, exist_ok=True)


def _model() -> None:
    from transformers import AutoModel

    from .modeling_xcat.configuration_xcat import XCatConfig
    from .modeling_xcat.modeling_click_xcat import XCatForClickPrediction
    from .modeling_xcat.modeling_pretraining_xcat import XCatForPreTraining
    from .modeling_xcat.modeling_xcat import XCatForNextItem

    # Of several classes, `AutoModel` takes the one that the checkpoint names, and else the first.
    AutoModel.register(XCatConfig, (XCatForNextItem, XCatForClickPrediction, XCatForPreTraining), exist_ok=True)


def _processor() -> None:
    from transformers import AutoProcessor

    from .modeling_xcat.configuration_xcat import XCatConfig
    from .tokenization.processing_xcat import XCatProcessor

    AutoProcessor.register(XCatConfig, XCatProcessor, exist_ok=True)


def _pipeline() -> None:
    from transformers import AutoModel
    from transformers.pipelines import PIPELINE_REGISTRY

    from .ranking.pipelines import ItemRecommendationPipeline

    PIPELINE_REGISTRY.register_pipeline(TASK, ItemRecommendationPipeline, pt_model=AutoModel)


_pending = {
    "transformers.models.auto.configuration_auto": _config,
    "transformers.models.auto.modeling_auto": _model,
    "transformers.models.auto.processing_auto": _processor,
    "transformers.pipelines": _pipeline,
}
"""Module of a registry to its registration, for pending registrations."""


class _Watcher:
    """Finds modules of `transformers` and of this package as usual, and registers when no import is in progress.

    Modules of both import each other, so during an import, names needed for a registration may be missing.
    """

    def __init__(self) -> None:
        self._running: dict[int, int] = {}  # thread -> its imports in progress

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        """The specification of a module, with a loader that reports when the module has been executed."""
        if name.partition(".")[0] not in _PACKAGES or not _pending:
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)  # type: ignore[arg-type]
        execute = getattr(getattr(spec, "loader", None), "exec_module", None)
        if spec is None or execute is None:
            return None

        def exec_module(module: object) -> None:
            thread = get_ident()
            outer = self._running.get(thread, 0)
            self._running[thread] = outer + 1
            try:
                execute(module)
            finally:
                self._running[thread] = outer
            if not outer:
                del self._running[thread]
                register_loaded()

        spec.loader.exec_module = exec_module  # type: ignore[union-attr,method-assign]
        return spec


def register_loaded() -> None:
    """Make all registrations whose registries are loaded."""
    for module in [name for name in _pending if name in sys.modules]:
        register = _pending.pop(module, None)
        if register is not None:
            register()


def register_when_loaded() -> None:
    """Register with the loaded parts of `transformers`, and with the rest when they are loaded."""
    sys.meta_path.insert(0, _Watcher())  # type: ignore[arg-type]
    register_loaded()
