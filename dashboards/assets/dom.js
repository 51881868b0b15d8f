// Elements, made of text and never of markup: whatever a service calls itself
// stays text.

// Characters that turn the direction of writing could make text read as what it is not.
const turns = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const SVG = "http://www.w3.org/2000/svg";

function fill(el, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
    else el.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child !== undefined && child !== null && child !== false && child !== "") {
      el.append(child instanceof Node ? child : String(child).replace(turns, "\ufffd"));
    }
  }
  return el;
}

export const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);
export const svg = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);
export const byId = (id) => document.getElementById(id);

// keyed draws items into a container and redraws only those that changed, so
// that focus and selection in the others stay.
export function keyed(container, keyOf, draw) {
  let known = new Map();
  return (items) => {
    const next = new Map();
    for (const item of items) {
      const key = keyOf(item);
      const state = JSON.stringify(item);
      const old = known.get(key);
      next.set(key, old?.state === state ? old : { state, node: refocus(old?.node, () => draw(item)) });
    }
    known = next;
    const nodes = [...next.values()].map((entry) => entry.node);
    const same = nodes.length === container.childNodes.length && nodes.every((n, i) => n === container.childNodes[i]);
    if (!same) place(container, nodes);
  };
}

// place puts nodes in order and moves as few as it can.
function place(container, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...container.childNodes]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, i) => {
    if (container.childNodes[i] !== node) container.insertBefore(node, container.childNodes[i] ?? null);
  });
}

// refocus gives the focus of what is replaced to what takes its place.
function refocus(old, draw) {
  const node = draw();
  const label = old?.contains(document.activeElement) ? document.activeElement.getAttribute("data-focus") : null;
  if (label !== null) {
    queueMicrotask(() => [...(node.parentNode?.querySelectorAll("[data-focus]") ?? [])].find((el) => node.contains(el) && el.getAttribute("data-focus") === label)?.focus());
  }
  return node;
}
