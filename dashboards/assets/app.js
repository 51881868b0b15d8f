// What is known, kept up to date by the event stream, and which view shows it.
import { follow, get, token } from "./api.js";
import { byId, h } from "./dom.js";
import { clock, known, words } from "./format.js";
import { incidentView } from "./incident.js";
import { overview, releaseKey } from "./lists.js";

const state = { incidents: [], releases: [], status: {}, only: onlyIncident() };
const view = state.only ? incidentView() : overview();
let shown = false;
let loaded = false;

function onlyIncident() {
  const path = location.pathname.match(/^\/incidents\/([^/]+)$/);
  return path ? decodeURIComponent(path[1]) : "";
}

async function load() {
  if (state.only) {
    const incident = await get(`/api/v1/incidents/${encodeURIComponent(state.only)}`);
    state.only = incident.id; // the beginning of an id will do
    state.incidents = [incident];
  } else {
    const [i, r] = await Promise.all([get("/api/v1/incidents"), get("/api/v1/releases")]);
    state.incidents = i.incidents;
    state.releases = r.releases;
  }
  loaded = true;
}

function draw() {
  if (!shown) byId("main").replaceChildren(view.node);
  shown = true;
  view.draw(state);
}

function tell(text) {
  byId("spoken").textContent = text;
}

function upsert(list, keyOf, one, newest) {
  const rest = list.filter((x) => keyOf(x) !== keyOf(one));
  rest.push(one);
  return rest.sort((a, b) => newest(b).localeCompare(newest(a)) || keyOf(a).localeCompare(keyOf(b)));
}

// Events are taken one after the other: what a slow reading brings must not
// replace what a later event told.
let before = Promise.resolve();

const on = {
  event(name, data) {
    before = before.then(() => take(name, data));
  },
  lost(e) {
    loaded = false; // what changed meanwhile is read again
    pulse(false);
    if (e.status === 401 || e.status === 403) {
      byId("pulse").replaceChildren();
      trouble(e);
    }
  },
};

async function take(name, data) {
  try {
    if (name === "status") {
      state.status = data;
      pulse(true);
      notices();
      if (!loaded) await load();
    }
    if (name === "incident" && (!state.only || data.id === state.only)) {
      const old = state.incidents.find((i) => i.id === data.id);
      if (old?.status !== data.status) tell(`${data.title}: ${words(data.status)}`);
      state.incidents = upsert(state.incidents, (i) => i.id, data, (i) => i.detected_at);
    }
    if (name === "release" && !state.only) {
      state.releases = upsert(state.releases, releaseKey, data, (r) => r.first_seen);
    }
    if (loaded) draw();
  } catch (e) {
    trouble(e);
  }
}

function trouble(e) {
  if (e.status === 401) return askToken(token.get() ? "This token is not known to the server." : "");
  shown = false;
  byId("main").replaceChildren(h("div", { class: "empty" }, h("p", { class: "empty-title" }, "This cannot be shown."), h("p", { role: "alert" }, e.message), h("p", {}, h("a", { href: "/" }, "All incidents and releases"))));
}

function askToken(wrong) {
  const field = h("input", { type: "password", name: "token", autocomplete: "off", required: true, "aria-describedby": "token-note" });
  const enter = (event) => {
    event.preventDefault();
    token.set(field.value.trim());
    location.reload();
  };
  shown = false;
  byId("main").replaceChildren(h("form", { class: "empty token", onsubmit: enter },
    h("p", { class: "empty-title" }, "This server asks for a token."),
    h("p", { id: "token-note" }, "It stays in this tab until you close it. Tokens stand in the server's configuration, under “tokens”."),
    wrong && h("p", { class: "wrong", role: "alert" }, wrong),
    h("label", {}, "Token", field), h("div", { class: "answers" }, h("button", { class: "main", type: "submit" }, "Show me"))));
  field.focus();
}

function pulse(live) {
  const s = state.status;
  const judged = known(s.watermark) ? `judged up to ${clock(s.watermark)}` : "no telemetry yet";
  byId("pulse").replaceChildren(
    h("span", { class: live ? "dot live" : "dot" }),
    h("span", {}, live ? "live" : "not connected, trying again"), h("span", {}, judged),
    s.mode ? h("span", {}, `${words(s.mode)} unless a policy says otherwise`) : "", s.version ? h("span", { class: "version" }, s.version) : "");
}

let noticed = "";

function notices() {
  const s = state.status;
  const list = [
    s.outage && ["Telemetry outage", `${s.outage}. Until it is over no verdict is drawn from silence.`],
    s.not_ready && ["Not ready", s.not_ready],
    ...(s.warnings ?? []).map((w) => ["Note", w]),
  ].filter(Boolean);
  if (JSON.stringify(list) === noticed) return;
  noticed = JSON.stringify(list);
  byId("notices").replaceChildren(...list.map(([title, text]) => h("p", { class: "notice", role: "status" }, h("strong", {}, title), " ", text)));
}

follow(on);
