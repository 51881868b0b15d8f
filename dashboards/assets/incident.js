// One incident: its report, and what people can answer.
import { answers } from "./answer.js";
import { h, keyed } from "./dom.js";
import { between, clock, count, known, odds, percent, seconds, serviceName, value, words } from "./format.js";
import { intervalChart, pill, time } from "./parts.js";
import { reportLink } from "./report.js";

// Each section is drawn from its own part of the incident and again only when
// that part changes.
const sections = [
  ["head", (i) => [i.id, i.title, i.status, i.environment], header],
  ["summary", (i) => [i.cause, i.suspects?.[0], i.started_at, i.detected_at, i.ended_at, i.evidence?.[0]?.comparison, i.evidence?.map((e) => e.e_value), i.impact, i.decision.verdict, i.decision.why, i.recovery], summary],
  ["answers", (i) => [i.id, i.status, i.decision.verdict, i.actions?.length, i.suspects?.[0]], answers],
  ["evidence", (i) => i.evidence, evidence],
  ["decision", (i) => [i.decision, i.plan, i.actions], decision],
  ["suspects", (i) => [i.suspects, i.exonerated], suspects],
  ["logs", (i) => i.logs, logs],
  ["timeline", (i) => i.timeline, timeline],
];

export function incidentView() {
  const node = h("article", { class: "incident" });
  const draw = keyed(node, (s) => s.name, (s) => s.render());
  return {
    node,
    draw(state) {
      const i = state.incidents.find((one) => one.id === state.only);
      if (!i) return;
      document.title = `${i.title || i.id} · Unship`;
      draw(sections.map(([name, part, render]) => ({ name, part: part(i), render: () => render(i) ?? document.createComment(name) })));
    },
  };
}

function header(i) {
  return h("header", { class: "incident-head" },
    h("p", {}, h("a", { href: "/" }, "← all incidents and releases")),
    h("h1", {}, i.title || i.id),
    h("p", { class: "facts" }, pill(i.status), i.environment && h("span", {}, i.environment), h("span", {}, "incident ", h("code", {}, i.id)), reportLink(i.id)));
}

function summary(i) {
  const line = (name, ...what) => [h("dt", {}, name), h("dd", {}, ...what)];
  return h("dl", { class: "summary" },
    line("What", what(i)),
    line("Since", time(i.started_at), known(i.started_at) && known(i.detected_at) && `, found ${seconds(between(i.started_at, i.detected_at))} later`, known(i.ended_at) && [", ended ", time(i.ended_at)]),
    i.suspects?.length > 0 && line("How sure", `${percent(i.suspects[0].probability)} that this release is the cause`, i.evidence?.length > 0 && `; strongest evidence ${odds(Math.max(...i.evidence.map((e) => e.e_value)))}`),
    i.evidence?.length > 0 && line("Compared with", comparison(i)),
    line("Impact", `about ${count(i.impact.requests_failed)} requests failed and ${count(i.impact.requests_slowed)} were slowed beyond the usual`),
    line("Decision", words(i.decision.verdict || "none yet"), i.decision.why && `: ${i.decision.why}`),
    i.recovery?.status && line("Recovery", words(i.recovery.status), i.recovery.why && `: ${i.recovery.why}`));
}

function what(i) {
  const s = i.suspects?.[0];
  if (!s) return `no release is suspected; cause: ${words(i.cause)}`;
  return [h("strong", {}, serviceName(s.namespace, s.service)), " ", h("code", {}, s.version), s.previous && [", which replaced ", h("code", {}, s.previous)]];
}

function comparison(i) {
  const previous = i.suspects?.[0]?.previous || "the previous version";
  switch (i.evidence[0].comparison) {
    case "concurrent": return `${previous} in the same moments`;
    case "before_after": return "the service's own past, and services that should move alike";
    default: return "nothing yet";
  }
}

function block(id, title, ...children) {
  return h("section", { "aria-labelledby": id }, h("h2", { id }, title), ...children);
}

function evidence(i) {
  if (!i.evidence?.length) return null;
  const names = ["What got worse", "Before → now", "On one axis", "Requests", "Evidence", "Examples"];
  return block("t-evidence", "Evidence",
    h("table", { class: "evidence", role: "table" },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, names.map((n) => h("th", { scope: "col", role: "columnheader" }, n)))),
      h("tbody", { role: "rowgroup" }, i.evidence.map(evidenceRow))),
    h("p", { class: "legend small" }, h("span", { class: "key key-baseline" }), "baseline ", h("span", { class: "key key-candidate" }), "candidate ", h("span", { class: "key key-range" }), "where the candidate's true value lies, valid at every moment"));
}

function evidenceRow(e) {
  const cell = (label, ...children) => h("td", { role: "cell", "data-label": label }, h("div", {}, ...children));
  return h("tr", { role: "row" },
    cell("What got worse", h("strong", {}, words(e.signal), e.quantile > 0 && ` p${+(e.quantile * 100).toFixed(2)}`, e.name && ` ${e.name}`), h("span", { class: "small" }, e.operation || "all operations", e.slice && ` for ${e.slice}`, e.example && [h("br"), h("code", {}, e.example)], h("br"), `${e.service} ${e.version}`)),
    cell("Before → now", h("span", { class: "num" }, value(e.baseline, e.unit), " → ", h("strong", {}, value(e.candidate, e.unit))), h("span", { class: "small" }, `${value(e.interval[0], e.unit)} to ${value(e.interval[1], e.unit)}`)),
    cell("On one axis", intervalChart(e)),
    cell("Requests", h("span", { class: "num" }, count(e.samples.candidate)), h("span", { class: "small" }, `against ${count(e.samples.baseline)}`)),
    cell("Evidence", odds(e.e_value), h("span", { class: "small" }, "since ", clock(e.since))),
    cell("Examples", exemplars(e.exemplars)));
}

function exemplars(list) {
  if (!list?.length) return h("span", { class: "small" }, "none");
  return h("ul", { class: "plain" }, list.map((x) =>
    h("li", {}, h("code", { class: "trace", title: `span ${x.span_id}` }, x.trace_id), h("span", { class: "small" }, [x.error, x.exception, x.duration > 0 && seconds(x.duration / 1e9)].filter(Boolean).join(" · ")))));
}

function decision(i) {
  const d = i.decision;
  return block("t-decision", "Decision and actions",
    h("p", {}, h("strong", {}, words(d.verdict || "none yet")), d.mode && ` in mode ${words(d.mode)}`, d.policy && `, policy ${d.policy}`, known(d.at) && [", ", time(d.at)]),
    d.gates?.length > 0 && h("ul", { class: "plain gates" }, d.gates.map((g) => h("li", {}, pill(g.result), h("span", {}, h("strong", {}, words(g.name)), " ", g.why)))),
    i.plan?.length > 0 && [h("h3", {}, "Plan"), h("ol", {}, i.plan.map((s) => h("li", {}, h("strong", {}, s.action), " ", s.summary, h("span", { class: "small" }, s.reversible ? "reversible" : "not reversible", s.at_risk && `; at risk: ${s.at_risk}`))))],
    i.actions?.length > 0 && [h("h3", {}, "What was done"), h("ul", { class: "plain gates" }, i.actions.map((a) => h("li", {}, pill(a.result), h("span", {}, h("strong", {}, `${a.step}. ${a.action}`), " ", a.detail, h("span", { class: "small" }, clock(a.started_at), known(a.ended_at) && ` to ${clock(a.ended_at)}`)))))]);
}

function suspects(i) {
  if (!i.suspects?.length && !i.exonerated?.length) return null;
  return block("t-suspects", "Suspects",
    h("ul", { class: "plain gates" }, (i.suspects ?? []).map((s) => h("li", {}, h("span", { class: "pill share" }, percent(s.probability)),
      h("span", {}, h("strong", {}, serviceName(s.namespace, s.service)), " ", h("code", {}, s.version), (s.reasons ?? []).map((r) => h("span", { class: "small" }, r)))))),
    i.exonerated?.length > 0 && [h("h3", {}, "Ruled out"), h("ul", { class: "plain gates" }, i.exonerated.map((x) => h("li", {}, pill("innocent"), h("span", {}, h("strong", {}, x.service), " ", h("code", {}, x.version), h("span", { class: "small" }, x.why)))))]);
}

function logs(i) {
  if (!i.logs?.length) return null;
  return block("t-logs", "Log lines of the candidate",
    h("ul", { class: "plain" }, i.logs.map((l) => h("li", {}, h("pre", { tabindex: 0 }, l.example || l.pattern),
      h("span", { class: "small" }, `${count(l.count)} times`, l.pattern && ` · ${l.pattern}`, l.trace_id && [" · trace ", h("code", { class: "trace" }, l.trace_id)])))));
}

function timeline(i) {
  if (!i.timeline?.length) return null;
  return block("t-timeline", "Timeline", h("ol", { class: "timeline" }, i.timeline.map((t) => h("li", {}, time(t.at), h("span", {}, t.what)))));
}
