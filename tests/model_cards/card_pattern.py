"""The one pattern that every card matches from its first character to its last."""

from __future__ import annotations

NUMBER = r"(?:\*\*-?\d+\.\d{4}\*\*|-?\d+\.\d{4}|n/a)(?: \[-?\d+\.\d{4}, -?\d+\.\d{4}\])?"
METRICS = rf"\| model \|(?: [A-Z]\w*@\d+ \|)+\n\|(?:---\|)+\n(?:\| [^|\n]+ \|(?: {NUMBER} \|)+\n)+"
VERDICT = (
    r"(?:\n[A-Z]+@\d+ of [^\n]+ minus that of [^\n]+: [+-]\d\.\d{4} \[[+-]\d\.\d{4}, [+-]\d\.\d{4}\]; "
    r"(?:[^\n]+ is better|these targets do not tell which is better)\.\n)?"
)
SETTINGS = (
    r"(?:All at their defaults\.\n|Not recorded\.\n"
    r"|\| setting \| value \|\n\|---\|---\|\n(?:\| `\w+` \| `[^`\n]+` \|\n)+)"
)
BASE = (
    r"(?:none|a (?:checkpoint|text encoder) that is not on the hub"
    r"|(?:checkpoint|text encoder) `[^`]+`, revision (?:`[^`]+`|not recorded))"
)
EMISSIONS = (
    r"(?:not measured \(codecarbon did not run\)"
    r"|[\d.e-]+ g of CO2 equivalent for [\d.e-]+ kWh in [^\n]+, estimated by codecarbon [\w.]+)"
)
LINES = r"(?:- [^\n]+\.\n)+"
SHARE = r"\d+\.\d%"

METADATA = r"""---
(?:base_model: [^\n]+
)?(?:datasets:
- [^\n]+
)?(?:language:(?: \w+|(?:\n- \w+)+)
)?library_name: xcat-rec
(?:license(?:_name|_link)?: [^\n]+
)*(?:metrics:
(?:- \w+\n)+)?pipeline_tag: item-recommendation
tags:
- recommendation
- sequential-recommendation
- cross-attention
(?:- [^\n]+\n)*(?:base_model_relation: (?:adapter|finetune)
)?(?:co2_eq_emissions:
  emissions: [\d.e-]+
  source: codecarbon
  training_type: fine-tuning
  geographical_location: [^\n]+
  hardware_used: [^\n]+
)?(?:model-index:
- name: [^\n]+
  results:
(?:  [^\n]+\n)+)?---
"""
HEAD = rf"""
# [^\n]+

[^\n]+\. [^\n]+\.

\| \| \|
\|---\|---\|
\| Model type \| \w+ \|
\| Base \| {BASE} \|
(?:\| Adapter \| [^\n]+ \|\n)?(?:\| Parameters \| [\d,]+ trained of [\d,]+ \|\n)?\| Language of the texts \| [^\n]+ \|
\| Licence of the weights \| [^\n]+ \|

## Intended use

{LINES}"""
USAGE = r"""
## How to use it

A folder or a repository id stands for the checkpoint\.

```python
from xcat_rec import XCatRecommender

recommender = XCatRecommender\.from_pretrained\("(?P<id>[\w./-]+)"\)
recommender\.recommend\(\["[^\n]+"\], k=10\)
```

From the command line, with xcat-rec installed from a clone of its repository:

```bash
xcat recommend (?P=id) --history [^\n]+ -k 10
```

(?:The checkpoint is an adapter: [^\n]+\.|Without `xcat_rec` installed, the checkpoint carries its own code:

```python
from transformers import AutoModel, AutoProcessor

model = AutoModel\.from_pretrained\("(?P=id)", trust_remote_code=True\)
processor = AutoProcessor\.from_pretrained\("(?P=id)", trust_remote_code=True\)
```)
"""
DATA = rf"""
## Data

\| \| \|
\|---\|---\|
\| Data set \| [^\n]+ \|
\| Revision \| [^\n]+ \|
(?:\| Content \| SHA-256 `[0-9a-f]{{64}}` of the tables \|
\| Size \| [\d,]+ users, [\d,]+ items, [\d,]+ events, [\d,]+ distinct texts \|
\| Time range \| (?:no times|\d+-\d\d-\d\d to \d+-\d\d-\d\d \(UTC\)) \|
\| Repeated events \| [\d,]+ \(same user, item, time and kind\) \|
\| Users a part \| (?:train [\d,]+, validation [\d,]+, test [\d,]+|not recorded) \|
\| Licence of the data \| [^\n]+ \|
\| Source \| [^\n]+ \|
)?\| Split \| [\w -]+ \|
\| Order of simultaneous events \| [^\n]+ \|
\| Seeds \| (?:not recorded|\w+ \d+(?:, \w+ \d+)*) \|

What was repaired, or should be known:

{LINES}"""
FIGURES = rf"""
## Figures

(?:No test targets were ranked, so there are no figures\.
|Measured on the held-out test targets\. Every item [^\n]+ bootstrap samples of the users\. [^\n]+ is bold\.

### All targets \([\d,]+ of [\d,]+ users\)

{METRICS}{VERDICT}(?:
### Targets in `\w+` \((?:[^;\n]+; )?[\d,]+ targets\)

(?:There were none, so nothing was measured\.\n|{METRICS}{VERDICT}))*)"""
AUDIT = rf"""
## Audit

(?:No recommendations were audited\.
|Of the \d+ recommendations to each test user, [^\n]+\.

### Popularity

\| lists of \| training events \| popular \| without training events \| Gini \|
\|---\|---\|---\|---\|---\|
(?:\| [^|\n]+ \| (?:[\d,]+\.\d \| {SHARE} \| {SHARE} \| \d\.\d{{3}}|n/a \| n/a \| n/a \| n/a) \|\n)+
Training events of an item: [^\n]+\.
(?:
### Exposure by \w+

\| \w+ \| of the catalogue \| of the histories \| of the recommendations \|
\|---\|---\|---\|---\|
(?:\| [^\n]+ \| {SHARE} \| {SHARE} \| {SHARE} \|\n)+
{SHARE} of the recommendations would have to change [^\n]+ values are never recommended\.
)*)"""
TRAINING = rf"""
## Training

### Losses

(?:Not recorded\.\n|{LINES})
### Parts

(?:Not recorded\.\n|{LINES})
### Log

(?:Nothing was logged\.
|\| epoch \| step \| training loss \|(?: validation loss \|)?(?: [A-Z]\w*@\d+(?: `\w+`)? \|)*
\|(?:---\|)+
(?:\|(?: (?:\*\*)?(?:\d+(?:\.\d+)?|-)(?:\*\*)? \|)+\n)+
Metrics are of the validation targets\.(?: The row in bold is the checkpoint\.)?
(?:
Evaluated after training: [^\n]+\.
)?)
### Machine and time

- Machine: [^\n]+\.
- Processes: \d+\.
- Training time: (?:not recorded|\d+ h \d+ min|\d+ min \d+ s|\d+ s)[^\n]*\.
- Emissions: {EMISSIONS}\.

### Settings of the preparation that are not at their default

{SETTINGS}
### Settings of the model that are not at their default

{SETTINGS}
### Settings of the training that are not at their default

{SETTINGS}
### Command

(?:Not recorded\.\n|```bash\nxcat [^\n]+\n```\n(?:\nReplace the words in capitals: [^\n]+\.\n)?)
### Versions

(?:- [\w-]+ \d[^\n]*\n)+"""
END = rf"""
## Limits

{LINES}
## Citation

```bibtex
(?:@\w+\{{\w+,\n(?:  [^\n]+\n)+\}}\n\n?)+```
(?:
The data: [^\n]+\.
)?"""
CARD = METADATA + HEAD + USAGE + DATA + FIGURES + AUDIT + TRAINING + END
