"""The app.py of a Space, as text."""

SETTINGS = '''"""A page that recommends items to a history; written by `xcat space`."""

import os

import gradio as gr
from transformers import pipeline

from catalogue import Catalogue, cards

CHECKPOINT = {checkpoint}
REVISION = {revision}
TITLE = {title}
'''

BODY = '''
FOUND = 12  # items shown per search
CSS = """
.xcat-card {display: flex; gap: 12px; padding: 8px 0; border-top: 1px solid var(--border-color-primary)}
.xcat-card > div {display: flex; flex-direction: column; min-width: 0; overflow-wrap: anywhere}
.xcat-card span, .xcat-note {opacity: .75; font-size: var(--text-sm)}
.xcat-card img, .xcat-blank {width: 72px; height: 72px; object-fit: contain; flex: none}
"""

if REVISION is None:  # the checkpoint is in the folder of this file
    CHECKPOINT = os.path.join(os.path.dirname(os.path.abspath(__file__)), CHECKPOINT)
# Runs the code of the checkpoint: from this folder, or from the commit of the repository.
recommender = pipeline("item-recommendation", model=CHECKPOINT, revision=REVISION, trust_remote_code=True)
vocabulary = recommender.processor.vocabulary
counts = recommender.model.model.items.item_counts[-vocabulary.num_items :].cpu().numpy()
catalogue = Catalogue(vocabulary.table, counts)
reads_texts = recommender.processor.reads_texts and recommender.model.model.reads_user_texts
has_categories = bool(vocabulary.categories)
example = [item["item_id"] for item in recommender([], k=3)]  # popular items


def recommend(history: list[str], k: int = 10, cross_category: bool = False, wish: str = "") -> dict:
    """Recommend items to a history of item ids, oldest first; popular items to an empty one."""
    request = {"history": [str(item) for item in history]}
    if wish.strip():
        request["texts"] = wish.strip()
    try:
        found = recommender(request, k=int(k), cross_category=bool(cross_category))
    except ValueError as error:
        raise gr.Error(str(error)) from error
    unknown = sum(item not in catalogue for item in request["history"])
    basis = "history" if unknown < len(request["history"]) else "texts" if "texts" in request else "popular"
    return {"recommendations": found, "basis": basis, "unknown_items": unknown}


def show(history, k, cross_category, wish):
    """Recommendations as cards."""
    answer = recommend(history or [], k, cross_category, wish or "")
    note = {
        "history": "Basis: the history" + (" and the wish." if (wish or "").strip() else "."),
        "texts": "Basis: the wish.",
        "popular": "Basis: popular items, because no item is chosen.",
    }[answer["basis"]]
    if not answer["recommendations"]:
        note += " No item is left to recommend."
    return cards(answer["recommendations"], catalogue, note, scores=answer["basis"] != "popular")


def options(ids):
    """Titles and ids, for a list to choose from; the id is shown if two items have the same title."""
    titles = [catalogue.title(item) for item in ids]
    return [(t if titles.count(t) == 1 else f"{t} ({item})", item) for t, item in zip(titles, ids)]


def ticked(shown, history):
    return [item for item in shown if item in history]


def search(words, history):
    """Items of the whole catalogue for words of the title or the id."""
    shown, total = catalogue.search(words or "", FOUND)
    if not (words or "").strip():
        label = f"Popular items, of {total:,}; search for others"
    elif total > len(shown):
        label = f"{len(shown)} of {total:,} items found; add words for others"
    else:
        label = f"{total} items found" if total != 1 else "1 item found"
    return gr.CheckboxGroup(options(shown), value=ticked(shown, history or []), label=label), shown


def tick(chosen, shown, history):
    """The history after a tick: new items are added at its end, items without a tick are removed."""
    kept = [item for item in history or [] if item not in shown or item in chosen]
    return chosen_items(kept + [item for item in chosen if item not in kept])


def chosen_items(history):
    return gr.Dropdown(options(history), value=history)


with gr.Blocks(title=TITLE) as demo:
    gr.Markdown("# " + TITLE)
    with gr.Row():
        with gr.Column():
            words = gr.Textbox(label="Find items", placeholder="Words of the title, or an id")
            found, first = search("", example)
            shown = gr.State(first)
            history = gr.Dropdown(
                options(example), value=example, multiselect=True, filterable=False,
                label="History, oldest first; empty for a new customer",
            )
            example_button = gr.Button("Example of popular items", size="sm")
            wish = gr.Textbox(label="Wish, in your own words", visible=reads_texts)
            k = gr.Slider(1, 50, value=10, step=1, label="Recommendations")
            cross_category = gr.Checkbox(
                False, label="Only categories that the history lacks", visible=has_categories
            )
            button = gr.Button("Recommend", variant="primary")
        with gr.Column():
            result = gr.HTML("Recommendations appear here.", label="Recommendations")
    hidden = {"api_visibility": "private", "show_progress": "hidden"}
    words.input(search, [words, history], [found, shown], trigger_mode="always_last", **hidden)
    found.input(tick, [found, shown, history], history, **hidden)
    history.input(lambda history, shown: ticked(shown, history or []), [history, shown], found, **hidden)
    example_button.click(
        lambda shown: (chosen_items(example), ticked(shown, example)), shown, [history, found], **hidden
    )
    button.click(show, [history, k, cross_category, wish], result, api_visibility="private")
    gr.api(recommend, api_name="recommend")

if __name__ == "__main__":
    demo.launch(css=CSS)
'''
