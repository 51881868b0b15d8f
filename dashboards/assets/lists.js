// The overview: incidents first, then releases with their verdicts so far.
import { auditView } from "./audit.js";
import { h, keyed } from "./dom.js";
import { count, known, percent, serviceName, value, words } from "./format.js";
import { empty, evidenceBar, pill, time } from "./parts.js";

export const releaseKey = (r) => JSON.stringify([r.environment, r.namespace, r.service, r.version]);

export function overview() {
  const incidents = h("ul", { class: "incidents", role: "list", id: "incidents" });
  const noIncidents = h("div", { id: "no-incidents" });
  const rows = h("tbody", { role: "rowgroup", id: "releases" });
  const table = h("table", { class: "releases", role: "table" }, head(), rows);
  const noReleases = h("div", { id: "no-releases" });
  const audit = auditView();
  const drawIncidents = keyed(incidents, (i) => i.id, incidentCard);
  const drawReleases = keyed(rows, releaseKey, releaseRow);
  const drawEmpty = keyed(noReleases, () => "empty", emptyReleases);
  const node = h("div", {},
    h("section", { "aria-labelledby": "t-incidents" }, h("h1", { id: "t-incidents" }, "Incidents"), noIncidents, incidents),
    h("section", { "aria-labelledby": "t-releases" }, h("h1", { id: "t-releases" }, "Releases"), noReleases, table),
    audit.node);
  noIncidents.append(empty("No incident.", h("p", {}, "When a release makes things worse, what happened and what is done about it stands here.")));
  return {
    node,
    draw(state) {
      drawIncidents(state.incidents);
      drawReleases(state.releases);
      audit.draw(state.status.audit);
      noIncidents.hidden = state.incidents.length > 0;
      table.hidden = state.releases.length === 0;
      drawEmpty(state.releases.length ? [] : [{ heard: known(state.status.watermark), receivers: state.status.receivers ?? [] }]);
    },
  };
}

function incidentCard(i) {
  const waits = i.status === "open" && i.decision.mode === "approve";
  return h("li", { class: "card" },
    h("div", { class: "card-line" }, pill(i.status), h("a", { class: "card-title", href: `/incidents/${encodeURIComponent(i.id)}`, "data-focus": "open" }, i.title || i.id),
      waits && pill("waits", "waits for approval")),
    h("p", { class: "facts" },
      h("span", {}, "since ", time(i.started_at)),
      h("span", {}, "decision: ", words(i.decision.verdict || "none yet"), i.decision.mode && ` (${words(i.decision.mode)})`),
      i.suspects?.[0] && h("span", {}, `${percent(i.suspects[0].probability)} sure`),
      i.impact.requests_failed > 0 && h("span", {}, `${count(i.impact.requests_failed)} requests failed`),
      i.environment && h("span", {}, i.environment)));
}

function head() {
  const names = ["Verdict so far", "Release", "Why", "Requests", "Evidence against it"];
  return h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, names.map((n) => h("th", { scope: "col", role: "columnheader" }, n))));
}

function releaseRow(r) {
  const cell = (label, ...children) => h("td", { role: "cell", "data-label": label }, h("div", {}, ...children));
  return h("tr", { role: "row" },
    cell("Verdict so far", pill(r.verdict), r.done && h("span", { class: "small" }, "watch is over")),
    cell("Release", h("strong", {}, serviceName(r.namespace, r.service)), " ", h("code", {}, r.version), about(r)),
    cell("Why", r.why, r.verdict !== "regressed" && detectable(r.detectable)),
    cell("Requests", h("span", { class: "num" }, count(r.samples.candidate)), h("span", { class: "small" }, `against ${count(r.samples.baseline)}`)),
    cell("Evidence against it", evidenceBar(r.log_e, r.threshold)));
}

function about(r) {
  const facts = [
    r.rollback_of ? `back from ${r.rollback_of}` : r.previous && `replaces ${r.previous}`,
    r.rollout && r.rollout !== "unknown" && words(r.rollout),
    r.environment,
    r.announced && "announced",
  ].filter(Boolean);
  return h("span", { class: "small" }, facts.join(" · "), h("br"), "first seen ", time(r.first_seen));
}

// detectable says what a change would have to be to have been seen by now.
function detectable(list) {
  if (!list?.length) return null;
  const each = list.map((d) => `${words(d.signal)}${d.slice ? ` for ${d.slice}` : ""} ${d.unit === "x" ? value(d.change, "x") : `${value(d.baseline, d.unit)} → ${value(d.change, d.unit)}`}`);
  return h("span", { class: "small" }, "smallest change that would show by now: ", each.join("; "));
}

function emptyReleases({ heard, receivers }) {
  if (heard) {
    return empty("No release yet.",
      h("p", {}, "Telemetry arrives. What ran already when it began is not a release: nobody can say what it replaced."),
      h("p", {}, "Ship a new ", h("code", {}, "service.version"), " and it appears here; or say so beforehand with ", h("code", {}, "unship release announce"), "."));
  }
  return empty("No telemetry yet.",
    h("p", {}, "Point your Collector, or an OpenTelemetry SDK, at ", receivers.length ? receivers.map((r, i) => [i > 0 && " or ", h("code", {}, reach(r.address)), ` (${r.protocol})`]) : "this server's OTLP address", ":"),
    h("pre", { tabindex: 0 }, collectorConfig(receivers)),
    h("p", {}, "Nothing else is needed: releases are found by their ", h("code", {}, "service.version"), "."));
}

// reach writes an address as it is reached from where this page was loaded.
function reach(address) {
  const port = address.slice(address.lastIndexOf(":"));
  return /^(0\.0\.0\.0|\[::\])?:\d+$/.test(address) ? location.hostname + port : address;
}

function collectorConfig(receivers) {
  const grpc = receivers.find((r) => r.protocol.toLowerCase().includes("grpc"));
  const endpoint = grpc ? reach(grpc.address) : `${location.hostname}:4317`;
  return `exporters:\n  otlp/unship:\n    endpoint: ${endpoint}\n    tls: {insecure: true}\nservice:\n  pipelines:\n    traces:  {receivers: [otlp], exporters: [otlp/unship]}\n    metrics: {receivers: [otlp], exporters: [otlp/unship]}\n    logs:    {receivers: [otlp], exporters: [otlp/unship]}`;
}
