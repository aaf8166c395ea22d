"""Style of report pages, for light and dark screens."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--page:#fff;--ink:#1c2128;--soft:#57606a;--rule:#d8dee4;--code:#f3f5f7}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);
max-width:46rem;margin:0 auto;padding:1rem}
h1{font-size:1.5rem;line-height:1.25}h2{font-size:1.2rem;margin-top:2.2rem}h3{font-size:1rem;margin:1.6rem 0 .2rem}
h1,h2,h3,p,li,.facts td,.facts th{overflow-wrap:anywhere}
table{border-collapse:collapse;margin:.6rem 0;width:100%}
th,td{padding:.35rem .45rem;border-bottom:1px solid var(--rule);text-align:right;vertical-align:top}
th{font-weight:600}tr>th[scope=row]{font-weight:400}th:first-child,td:first-child{text-align:left}
.facts td,.facts th{text-align:left}.facts th{font-weight:400;color:var(--soft);width:40%}
.scroll{overflow-x:auto}.i{display:block;color:var(--soft);font-size:.78rem}
.best{font-weight:700}.muted{color:var(--soft)}
svg{display:block;width:100%;max-width:34rem;height:auto;margin:.6rem 0}
svg text{font:11px system-ui,sans-serif;fill:var(--soft)}svg .n{font-size:12px;fill:var(--ink)}
svg .g{stroke:var(--rule)}svg .k{stroke:var(--soft);stroke-dasharray:4 3}svg .w{stroke-width:3}
pre{background:var(--code);padding:.7rem;white-space:pre-wrap;overflow-wrap:anywhere;border-radius:6px}
h4{margin:.4rem 0 .2rem;font-size:.95rem}.lists{display:grid;grid-template-columns:1fr 1fr;gap:0 1.6rem}
.lists ol{margin-top:.2rem}
.lists li{margin-bottom:.35rem;overflow-wrap:anywhere}summary{cursor:pointer;margin:.6rem 0}ol,ul{padding-left:1.4rem}
@media(max-width:560px){.lists{grid-template-columns:1fr}
body{font-size:14px;padding:.8rem}th,td{padding:.3rem .25rem}.i,th{font-size:.72rem}}
@media(prefers-color-scheme:dark){
:root{--page:#14181d;--ink:#e6eaee;--soft:#a3adb8;--rule:#363d46;--code:#20262d}
svg [stroke="#1a56b0"]{stroke:#6ea8fe}svg [fill="#1a56b0"]{fill:#6ea8fe}
svg [stroke="#c2570c"]{stroke:#f0883e}svg [fill="#c2570c"]{fill:#f0883e}
svg [stroke="#2f7d32"]{stroke:#56d364}svg [fill="#2f7d32"]{fill:#56d364}
svg [stroke="#7b3fa0"]{stroke:#c297ff}svg [fill="#7b3fa0"]{fill:#c297ff}
svg [stroke="#8a6d00"]{stroke:#d4a72c}svg [fill="#8a6d00"]{fill:#d4a72c}
svg [stroke="#5f6773"]{stroke:#9aa4ae}svg [fill="#5f6773"]{fill:#9aa4ae}
}
"""
"""The dark colours of lines are those of `charts.COLOURS`, in their order."""
