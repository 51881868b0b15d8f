// Small things that several views show.
import { h, svg } from "./dom.js";
import { known, number, utc, value, words } from "./format.js";

export const pill = (kind, text) => h("span", { class: `pill ${String(kind).replace(/[^a-z_]/g, "")}` }, words(text ?? kind));
export const time = (at) => (known(at) ? h("time", { datetime: at }, utc(at)) : "unknown");

export function empty(title, ...rest) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), ...rest);
}

// evidenceBar shows how far the evidence has come towards a verdict.
export function evidenceBar(logE, threshold) {
  const share = threshold > 0 ? Math.min(Math.max(logE / threshold, 0), 1) : 0;
  const label = threshold > 0 ? `evidence ${number(Math.max(logE, 0))} of the ${number(threshold)} that a verdict needs` : "no comparison yet";
  return h("div", { class: "bar", title: label },
    svg("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", role: "img", "aria-label": label },
      svg("rect", { class: "bar-rail", width: 100, height: 6, rx: 3 }),
      share > 0 && svg("rect", { class: share >= 1 ? "bar-full" : "bar-part", width: Math.max(share * 100, 2), height: 6, rx: 3 })),
    h("span", { class: "small" }, threshold > 0 ? `${number(Math.max(logE, 0))} of ${number(threshold)}` : "none yet"));
}

const WIDTH = 220;
const PAD = 6;

// intervalChart draws baseline, candidate and the candidate's interval on one
// axis that begins at zero.
export function intervalChart(e) {
  const [low, high] = e.interval;
  const top = Math.max(e.baseline, e.candidate, low, high, Number.MIN_VALUE) * 1.08;
  const x = (v) => PAD + (Math.min(Math.max(v, 0), top) / top) * (WIDTH - 2 * PAD);
  const label = `baseline ${value(e.baseline, e.unit)}, candidate ${value(e.candidate, e.unit)}, between ${value(low, e.unit)} and ${value(high, e.unit)}`;
  return svg("svg", { class: "interval", viewBox: `0 0 ${WIDTH} 34`, width: WIDTH, height: 34, role: "img", "aria-label": label },
    svg("title", {}, label),
    svg("line", { class: "axis", x1: PAD, x2: WIDTH - PAD, y1: 26, y2: 26 }),
    svg("rect", { class: "range", x: x(low), width: Math.max(x(high) - x(low), 1), y: 11, height: 8, rx: 4 }),
    svg("line", { class: "baseline", x1: x(e.baseline), x2: x(e.baseline), y1: 4, y2: 26 }),
    svg("circle", { class: "candidate", cx: x(e.candidate), cy: 15, r: 5 }),
    svg("text", { class: "tick", x: PAD, y: 34 }, "0"),
    svg("text", { class: "tick", x: WIDTH - PAD, y: 34, "text-anchor": "end" }, value(top / 1.08, e.unit)));
}
