"""The one pattern that every card matches from its first character to its last."""

from __future__ import annotations

NUMBER = r"(?:\*\*-?\d+\.\d{4}\*\*|-?\d+\.\d{4}|n/a)(?: \[-?\d+\.\d{4}, -?\d+\.\d{4}\])?"
METRICS = rf"\| model \|(?: [A-Z]\w*@\d+ \|)+\n\|(?:---\|)+\n(?:\| [^|\n]+ \|(?: {NUMBER} \|)+\n)+"
VERDICT = (
    r"(?:\n[A-Z]+@\d+, [^\n]+ minus [^\n]+: [+-]\d\.\d{4} \[[+-]\d\.\d{4}, [+-]\d\.\d{4}\]; "
    r"(?:[^\n]+ is better|the difference is not significant)\.\n)?"
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
## Usage

Give a checkpoint folder or a repository id\.

```python
from xcat_rec import XCatRecommender

recommender = XCatRecommender\.from_pretrained\("(?P<id>[\w./-]+)"\)
recommender\.recommend\(\["[^\n]+"\], k=10\)
```

From the command line, with xcat-rec installed from a clone of its repository:

```bash
xcat recommend (?P=id) --history [^\n]+ -k 10
```

(?:The checkpoint is an adapter: [^\n]+\.|Without `xcat_rec`, with the code in the checkpoint:

```python
from transformers import AutoModel, AutoProcessor

model = AutoModel\.from_pretrained\("(?P=id)", trust_remote_code=True\)
processor = AutoProcessor\.from_pretrained\("(?P=id)", trust_remote_code=True\)
```)
"""
INPUTS = r"""
## What lists go by

(?:Not recorded\.|The main parameters of a list, [^\n]+

\| Input \| Meaning \| Change \|
\|---\|---\|---\|
(?:\| [^\n]+\. \| [^\n]+ \|
){6,}
With profile off, [^\n]+\.)
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
\| Repeated events \| [\d,]+ \(same user, item, time and event type\) \|
\| Users per part \| (?:train [\d,]+, validation [\d,]+, test [\d,]+|not recorded) \|
\| Licence of the data \| [^\n]+ \|
\| Source \| [^\n]+ \|
(?:\| Tokens unknown to the text encoder \| [\d.]+% in texts of items(?:, [\d.]+% in texts of users)? \|
)?)?\| Split \| [\w -]+ \|
\| Order of simultaneous events \| [^\n]+ \|
\| Seeds \| (?:not recorded|\w+ \d+(?:, \w+ \d+)*) \|

Repairs and warnings:

{LINES}"""
EVALUATION = rf"""
## Evaluation

(?:The model was not evaluated on test targets\.
|Evaluated on the held-out test targets\. Every item [^\n]+ bootstrap samples of the users\. Bold: [^\n]+\.

### All targets \([\d,]+ of [\d,]+ users\)

{METRICS}{VERDICT}(?:
### Targets in `\w+` \((?:[^;\n]+; )?[\d,]+ targets\)

(?:No targets in this slice\.\n|{METRICS}{VERDICT}))*(?:
Discovery was not measured: [^\n]+\.
|
Discovery: items of the user's history are left out [^\n]+ those of the slice `unseen`\. `recommend\(\)` [^\n]+\.

### Discovery: all targets \([\d,]+ of [\d,]+ users\)

{METRICS}{VERDICT}(?:
### Discovery: targets in `\w+` \((?:[^;\n]+; )?[\d,]+ targets\)

(?:No targets in this slice\.\n|{METRICS}{VERDICT}))*)(?:
### Texts and images(?: \([\d,]+ of [\d,]+ users\)

The same model ranks the targets [^\n]+\.

\| items with \|(?: [^|\n]+ \|)+\n\|(?:---\|)+\n(?:\| [^|\n]+ \|(?: [^|\n]+ \|)+\n)+(?:
Images of other items [^\n]+\.
)?|

What texts and images bring was not measured; [^\n]+\.
))?)"""
AUDIT = rf"""
## Audit

(?:No recommendations were audited\.
|Audit of the \d+ recommendations to each test user\. [^\n]+\.

### Popularity

\| model \| training events \| popular items \| cold items \| Gini \|
\|---\|---\|---\|---\|---\|
(?:\| [^|\n]+ \| (?:[\d,]+\.\d \| {SHARE} \| {SHARE} \| \d\.\d{{3}}|n/a \| n/a \| n/a \| n/a) \|\n)+
Training events: mean number per item [^\n]+\.
(?:
### Exposure by \w+

\| \w+ \| catalogue \| histories \| recommendations \|
\|---\|---\|---\|---\|
(?:\| [^\n]+ \| {SHARE} \| {SHARE} \| {SHARE} \|\n)+
To match the shares in the histories, {SHARE} of the recommendations [^\n]+ values are never recommended\.
)*)"""
TRAINING = rf"""
## Training

### Losses

(?:Not recorded\.\n|{LINES})
### Model components

(?:Not recorded\.\n|{LINES})
### Training log

(?:Nothing was logged\.
|\| epoch \| step \| training loss \|(?: validation loss \|)?(?: [A-Z]\w*@\d+(?: `\w+`| \(discover\))? \|)*
\|(?:---\|)+
(?:\|(?: (?:\*\*)?(?:\d+(?:\.\d+)?|-)(?:\*\*)? \|)+\n)+
Metrics are computed on the validation targets\.(?: The row in bold is the checkpoint\.)?
(?:
Evaluated after training: [^\n]+\.
)?)
### Hardware and time

- Machine: [^\n]+\.
- Processes: \d+\.
- Training time: (?:not recorded|\d+ h \d+ min|\d+ min \d+ s|\d+ s)[^\n]*\.
- Emissions: {EMISSIONS}\.

### Non-default preparation settings

{SETTINGS}
### Non-default model settings

{SETTINGS}
### Non-default training settings

{SETTINGS}
### Command

(?:Not recorded\.\n|```bash\nxcat [^\n]+\n```\n(?:\nReplace the words in capitals: [^\n]+\.\n)?)
### Versions

(?:- [\w-]+ \d[^\n]*\n)+"""
END = rf"""
## Limitations

{LINES}
## Citation

```bibtex
(?:@\w+\{{\w+,\n(?:  [^\n]+\n)+\}}\n\n?)+```
(?:
The data: [^\n]+\.
)?"""
CARD = METADATA + HEAD + USAGE + INPUTS + DATA + EVALUATION + AUDIT + TRAINING + END
