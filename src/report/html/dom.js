// Elements. Text only ever goes in as text nodes and attributes: nothing that a name holds is parsed as markup.

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (typeof value === 'function') node.addEventListener(key, value);
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== undefined));
  return node;
}

function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
}

function button(attributes, ...children) {
  return el('button', { type: 'button', ...attributes }, ...children);
}

// A share as a bar that fits into a line.
function mini(part, whole) {
  const width = whole === 0 ? 0 : Math.min(1000, Math.floor((part * 1000) / whole)) / 10;
  return svg(
    'svg',
    { class: 'mini', 'aria-hidden': 'true' },
    svg('rect', { width: '100%', height: '100%' }),
    svg('rect', { class: 'part', width: `${width}%`, height: '100%' }),
  );
}
