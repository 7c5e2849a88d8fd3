// What is measured inside the page: contrast (WCAG 2.1, 1.4.3 and 1.4.11), names of controls, width. Runs in the page.

export function audit() {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const luminance = ([r, g, b]) => {
    const linear = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const contrast = (a, b) => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };

  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (node.data.trim() === '' || ['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(element.tagName)) continue;
    if (!element.checkVisibility() || element.closest('button:disabled')) continue;
    texts++;
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const found = contrast(rgba(style.color), ground(element));
    if (found < needed) faint.push(`${found.toFixed(2)} for ${JSON.stringify(node.data.slice(0, 40))}`);
  }
  for (const shape of document.querySelectorAll('.slab-map path')) {
    const slab = shape.parentElement.querySelector('.ground');
    if (!slab) continue;
    const found = contrast(rgba(getComputedStyle(shape).fill), rgba(getComputedStyle(slab).fill));
    if (found < 3) faint.push(`${found.toFixed(2)} for a slice of class ${shape.getAttribute('class')}`);
  }
  // Every colour a slice may have, used in this page or not.
  const root = getComputedStyle(document.documentElement);
  const probe = document.body.appendChild(document.createElement('i'));
  const resolved = (name) => {
    probe.style.color = `var(${name})`;
    return rgba(getComputedStyle(probe).color);
  };
  for (let n = 0; n < 10; n++) {
    const found = contrast(resolved(`--c${n}`), resolved('--slab'));
    if (root.getPropertyValue(`--c${n}`) === '' || found < 3) faint.push(`${found.toFixed(2)} for colour ${n}`);
  }
  probe.remove();

  const nameless = [...document.querySelectorAll('button, input, select, a, summary')].filter(
    (control) => control.checkVisibility() && !(control.getAttribute('aria-label') ?? control.textContent).trim(),
  );
  const { scrollWidth, clientWidth } = document.documentElement;
  return {
    texts,
    faint: [...new Set(faint)],
    nameless: nameless.map((control) => control.outerHTML.slice(0, 120)),
    tooWide: scrollWidth > clientWidth ? scrollWidth - clientWidth : 0,
    elements: document.querySelectorAll('*').length,
  };
}
