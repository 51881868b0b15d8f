// How often Unship is wrong here, as placebo releases show it.
import { h, keyed } from "./dom.js";
import { count, percent, serviceName } from "./format.js";
import { time } from "./parts.js";

const comparisons = { concurrent: "with instances beside it", before_after: "with the past" };
const title = "Nothing was released: old instances are said to be new, and are judged as a release is. Each that is found worse is a false alarm.";

// auditView is a section of the overview; it hides while nothing is known.
export function auditView() {
  const rows = h("tbody", { role: "rowgroup", id: "audit-rates" });
  const alarms = h("ul", { class: "small", role: "list", id: "audit-alarms" });
  const node = h("section", { "aria-labelledby": "t-audit", hidden: true }, h("h1", { id: "t-audit" }, "False alarms"), h("p", { class: "small" }, title),
    h("table", { class: "releases", role: "table" }, head(), rows), alarms);
  const drawRates = keyed(rows, (r) => JSON.stringify([r.environment, r.comparison]), rateRow);
  const drawAlarms = keyed(alarms, (a) => JSON.stringify([a.at, a.release, a.comparison]), alarmItem);
  return {
    node,
    draw(audit) {
      node.hidden = !audit?.rates?.length;
      drawRates(audit?.rates ?? []);
      drawAlarms(audit?.alarms ?? []);
    },
  };
}

function head() {
  const names = ["Environment", "Compared", "Probability of a false alarm", "Placebos in 30 days", "False alarms"];
  return h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, names.map((n) => h("th", { scope: "col", role: "columnheader" }, n))));
}

function rateRow(r) {
  const cell = (label, ...children) => h("td", { role: "cell", "data-label": label }, h("div", {}, ...children));
  const limits = r.lower > 0 ? `${percent(r.lower)} to ${percent(r.upper)}` : `at most ${percent(r.upper)}`;
  return h("tr", { role: "row" },
    cell("Environment", r.environment || "not named"),
    cell("Compared", comparisons[r.comparison] ?? r.comparison),
    cell("Probability of a false alarm", limits, h("span", { class: "small" }, "95 % confidence")),
    cell("Placebos in 30 days", h("span", { class: "num" }, count(r.trials))),
    cell("False alarms", h("span", { class: "num" }, count(r.alarms))));
}

function alarmItem(a) {
  return h("li", {}, time(a.at), ` ${serviceName(a.release.namespace, a.release.service)} `, h("code", {}, a.release.version),
    ` (${a.instances.join(", ")}), compared ${comparisons[a.comparison] ?? a.comparison}: ${a.why}`);
}
