() => {
  // Texts whose contrast with their ground is below 4.5:1, or 3:1 for large ones (WCAG 2.2, 1.4.3).
  const rgba = text => {
    const parts = (text.match(/[\d.]+/g) || []).map(Number);
    return text.startsWith('color(srgb') ? [...parts.slice(0, 3).map(x => 255 * x), parts[3] ?? 1]
      : [parts[0] ?? 0, parts[1] ?? 0, parts[2] ?? 0, parts[3] ?? 1];
  };
  const over = (top, below) => [0, 1, 2].map(i => top[3] * top[i] + (1 - top[3]) * below[i]);
  const light = colour => {
    const [r, g, b] = colour.map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [high, low] = [light(one), light(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const ground = element => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
      const colour = rgba(getComputedStyle(one).backgroundColor);
      if (colour[3]) layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const found = [];
  const compare = (text, colour, below, style) => {
    const size = parseFloat(style.fontSize), is_large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const value = ratio(over(colour, below), below);
    if (value < (is_large ? 3 : 4.5)) found.push(`${text.slice(0, 40)}: ${value.toFixed(2)}`);
  };
  const is_seen = element => element.checkVisibility({checkOpacity: true, checkVisibilityCSS: true})
    && element.getClientRects().length > 0 && element.getBoundingClientRect().width > 1;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), element = walker.currentNode.parentElement;
    if (!text || !element || !is_seen(element) || element.closest('script, style, [aria-hidden=true] svg')) continue;
    const style = getComputedStyle(element);
    if (element.closest('svg')) {
      const box = element.getBoundingClientRect();
      const below = document.elementsFromPoint(box.x + box.width / 2, box.y + box.height / 2)
        .find(one => one.tagName === 'rect');
      if (below) compare(text, rgba(style.fill), rgba(getComputedStyle(below).fill), style);
    } else compare(text, rgba(style.color), ground(element), style);
  }
  for (const input of document.querySelectorAll('input[placeholder], textarea[placeholder]')) {
    if (is_seen(input)) {
      const style = getComputedStyle(input, '::placeholder');
      compare(input.placeholder, rgba(style.color), ground(input), style);
    }
  }
  return found;
}
