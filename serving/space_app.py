"""The app.py of a Space, as text."""

APP = '''"""A page that recommends items to a history; written by `xcat space`, with a copy of the package xcat_rec."""

import os

from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.web.run import WebOptions, open_page

CHECKPOINT = {checkpoint}
REVISION = {revision}
NAME = {name}
TITLE = {title}

if REVISION is None:  # the checkpoint is in the folder of this file
    CHECKPOINT = os.path.join(os.path.dirname(os.path.abspath(__file__)), CHECKPOINT)
recommender = XCatRecommender.from_pretrained(CHECKPOINT, revision=REVISION)
page = open_page(CHECKPOINT, WebOptions(title=TITLE, pictures=True), recommender=recommender, name=NAME)
demo = page.blocks

if __name__ == "__main__":
    page.launch()
'''
