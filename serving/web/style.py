"""Style and scripts of the page; nothing is loaded from elsewhere."""

from __future__ import annotations

FONTS = ("system-ui", "Segoe UI", "Roboto", "Noto Sans", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC",
         "WenQuanYi Micro Hei", "sans-serif")  # fmt: skip
"""Fonts of the visitor's machine; none is downloaded."""

ACTIONS = """
let last = null;
element.addEventListener('click', event => {
  const pressed = event.target.closest('[data-act]');
  if (!pressed) return;
  const {act, item} = pressed.dataset;
  const all = [...element.querySelectorAll('[data-act]')];
  last = {act, item, place: all.indexOf(pressed)};
  trigger('click', {act, item});
});
watch('value', () => {
  const log = element.querySelector('[role=log]');
  if (log) log.scrollTop = log.scrollHeight;
  if (!last || !document.hasFocus() || ![null, document.body].includes(document.activeElement)) return;
  const all = [...element.querySelectorAll('[data-act]')];
  const same = all.find(one => one.dataset.item === last.item && (one.dataset.act === last.act
    || ['why', 'close'].includes(one.dataset.act) && ['why', 'close'].includes(last.act)));
  const next = same || all[Math.min(last.place, all.length - 1)];
  if (next) next.focus({preventScroll: true});
  last = null;
});
"""
"""Of a part with buttons: tells the page which was pressed, and keeps the focus when the part is drawn again."""

CSS = """
.gradio-container, .gradio-container .main.app {width: 100% !important; box-sizing: border-box}
.gradio-container {max-width: 1240px !important; margin: 0 auto !important}
.gradio-container .main.app {padding: 16px !important; max-width: 100% !important}
.xw {font-size: 15px; line-height: 1.45; color: var(--body-text-color); min-width: 0; overflow-wrap: anywhere}
.xw p {margin: 0}
.xw ul, .xw ol {list-style: none; margin: 0; padding: 0}
.xw-title {font-size: 26px; font-weight: 700; line-height: 1.2; margin: 0}
.xw-heading {font-size: 17px; font-weight: 650; margin: 14px 0 4px; color: var(--body-text-color)}
.xw > .xw-heading:first-child {margin-top: 0}
.xw-note, .xw-facts, .xw-who {color: var(--body-text-color-subdued); font-size: 13.5px}
.xw p.xw-note {margin-bottom: 8px}
.xw-text, .xw-body {display: flex; flex-direction: column; min-width: 0; flex: 1; gap: 2px}
.xw b {font-weight: 600}
.xw-rows li {display: flex; align-items: center; gap: 10px; padding: 7px 0}
.xw-rows li + li {border-top: 1px solid var(--border-color-primary)}
.xw-chips {display: flex; flex-wrap: wrap; gap: 6px}
.xw-chips li {display: flex; align-items: center; gap: 4px; padding: 2px 4px 2px 12px; max-width: 100%;
  border-radius: 18px; background: var(--background-fill-primary); border: 1px solid var(--border-color-primary)}
.xw-chips .xw-round {border: 0; min-width: 30px; height: 30px}
.xw-button {font: inherit; font-size: 14px; cursor: pointer; border-radius: 8px; padding: 5px 12px; min-height: 34px;
  color: var(--body-text-color); background: var(--background-fill-primary);
  border: 1px solid var(--xw-line); white-space: nowrap}
.gradio-container :is(textarea, input[type=text]):focus-visible {outline-offset: -3px}
.gradio-container button[role=tab][aria-selected=true] {color: var(--xw-accent-text)}
.xw-button:hover {background: var(--background-fill-secondary)}
.xw-main, .xw-main:hover {color: #fff; background: var(--xw-accent); border-color: var(--xw-accent)}
.xw-round {padding: 0; width: 34px; min-width: 34px; height: 34px; border-radius: 50%; font-size: 17px; line-height: 1}
.xw-on {color: #fff; background: var(--xw-accent); border-color: var(--xw-accent)}
.xw-link {border: 0; padding: 0 4px; text-decoration: underline; background: none; color: var(--body-text-color)}
.gradio-container :is(button, input, textarea, [tabindex]):focus-visible,
.gradio-container label:has(input:is([type=radio], [type=checkbox]):focus-visible) {
  outline: 3px solid var(--xw-accent) !important; outline-offset: 2px}
.xw-cards {display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); gap: 12px;
  grid-auto-flow: dense}
.xw-strip {display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 220px), 1fr)); gap: 10px}
.xw-card {display: flex; flex-wrap: wrap; gap: 12px; padding: 14px; border-radius: 12px;
  border: 1px solid var(--border-color-primary); background: var(--background-fill-primary)}
.xw-card:has(.xw-open) {grid-column: 1 / -1}
.xw-small {padding: 10px; flex-wrap: nowrap}
.xw-because {font-size: 13.5px}
.xw-acts {display: flex; flex-wrap: wrap; gap: 6px; margin-top: auto; padding-top: 8px}
.xw-open {flex: 0 0 100%; border-top: 1px solid var(--border-color-primary); padding-top: 10px; min-width: 0}
.xw-open svg {max-width: 100%; height: auto; display: block; margin-top: 8px; border-radius: 8px}
.xw-narrow {display: none}
.xw-tile {width: 44px; height: 44px; flex: none; border-radius: 10px; object-fit: contain; display: flex;
  align-items: center; justify-content: center; font-weight: 700; font-size: 18px; color: #1f2937}
.xw-0 {background: #cfe3f8} .xw-1 {background: #d5efd9} .xw-2 {background: #fbe3c6}
.xw-3 {background: #ecd9f5} .xw-4 {background: #f9d9dc} .xw-5 {background: #d3eeef}
.xw-chat {display: flex; flex-direction: column; gap: 10px; max-height: 62vh; overflow-y: auto; padding: 4px}
.xw-turn {max-width: min(100%, 720px); padding: 10px 14px; border-radius: 14px; align-self: flex-start;
  border: 1px solid var(--border-color-primary); background: var(--background-fill-primary)}
.xw-you {align-self: flex-end; background: var(--xw-mine)}
.xw-who {display: block; font-size: 12.5px}
.xw-you .xw-who {color: var(--body-text-color)}
.xw-turn .xw-rows {margin-top: 8px}
.xw-mark {font-style: normal; font-size: 12.5px; color: var(--xw-accent-text)}
.xw-tiles {display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 10px}
.xw-figure {display: flex; flex-direction: column; padding: 12px 14px; border-radius: 12px; font-size: 13.5px;
  border: 1px solid var(--border-color-primary); background: var(--background-fill-primary)}
.xw-figure b {font-size: 24px; line-height: 1.3}
.xw-section {margin-top: 18px}
.xw-scroll {overflow-x: auto}
.xw table {width: 100%; border-collapse: collapse; font-size: 14px}
.xw th, .xw td {padding: 6px 10px; text-align: right; border-bottom: 1px solid var(--border-color-primary)}
.xw th:first-child {text-align: left; font-weight: 500; min-width: 120px}
.xw thead th, .xw thead th:first-child {font-weight: 600; white-space: nowrap; color: var(--body-text-color-subdued)}
.xw-bars {display: flex; align-items: flex-end; gap: 3px; height: 96px; position: relative; padding-left: 44px;
  border-bottom: 1px solid var(--border-color-primary)}
.xw-bars i {flex: 0 1 28px; min-height: 2px; border-radius: 3px 3px 0 0; background: var(--xw-accent)}
.xw-bars span {position: absolute; left: 0; top: 0}
.xw-panel {padding: 16px !important; gap: 12px !important; border-radius: 12px; margin-bottom: 14px;
  border: 1px solid var(--border-color-primary); background: var(--background-fill-secondary)}
.gradio-container .html-container {padding: 0 !important}
#xw-head {flex: 1 1 260px; min-width: 240px !important}
#xw-language {flex: 0 0 210px}
#xw-left, #xw-right {flex: 1 1 300px; min-width: min(300px, 100%) !important}
.gradio-container input[type=radio]:checked, .gradio-container input[type=radio]:checked:hover {
  background-color: var(--xw-accent) !important; border-color: var(--xw-accent) !important}
.xw-panel .form {background: none; border: 0; gap: 12px; box-shadow: none; overflow: visible}
.xw-panel .block {overflow: visible; background: none; border: 0; padding: 0; box-shadow: none; border-radius: 0}
#xw-refresh {width: auto; align-self: flex-start}
#xw-knob .wrap {display: flex; flex-wrap: nowrap; gap: 6px}
#xw-knob label {flex: 1 1 auto; padding: 7px 8px; justify-content: center}
#xw-knob input {flex: none; margin: 0}
:root {--xw-accent: #0b5cad; --xw-accent-text: #0b5cad; --xw-mine: #dbeafe; --xw-line: #7b8794}
.dark {--xw-accent: #2f6fc0; --xw-accent-text: #9cc7ff; --xw-mine: #1e3a5f; --xw-line: #8a94a3}
@media (max-width: 700px) {
  .gradio-container .main.app {padding: 10px !important}
  .xw-title {font-size: 22px}
  .xw-wide {display: none}
  .xw-narrow {display: block}
  .xw-button {min-height: 40px}
  .xw-round {width: 40px; min-width: 40px; height: 40px}
  .xw-strip {display: flex; overflow-x: auto; padding-bottom: 6px}
  .xw-small {flex: 0 0 78%}
  .xw-card {padding: 12px}
  .xw th, .xw td {padding: 6px 4px; font-size: 13px}
  .xw th:first-child {min-width: 80px}
}
"""
