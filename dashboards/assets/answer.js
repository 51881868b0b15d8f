// What people can answer, each asked back before it is sent.
import { post } from "./api.js";
import { byId, h } from "./dom.js";
import { serviceName } from "./format.js";

const NAME = "unship.name";

export function answers(i) {
  const s = i.suspects?.[0];
  const release = s ? `${serviceName(s.namespace, s.service)} ${s.version}` : "the release";
  const target = s?.previous ? ` to ${s.previous}` : "";
  const possible = [
    canApprove(i) && ["approve", "danger", "Roll back…", `Roll ${release} back${target}?`, "The plan is carried out as soon as its gates allow it.", "Roll back"],
    canReject(i) && ["reject", "", "Not the release…", `Dismiss this incident?`, `${release} stays, and will not be taken back for this.`, "Not the release"],
    canUndo(i) && ["undo", "", "Undo the rollback…", `Bring ${release} back?`, "What the rollback changed is changed back.", "Undo the rollback"],
  ].filter(Boolean);
  if (!possible.length) return null;
  return h("div", { class: "answers", role: "group", "aria-label": "Answer" }, possible.map(([kind, look, label, title, note, yes]) =>
    h("button", { type: "button", class: look, "data-focus": kind, "data-kind": kind, onclick: () => confirm({ id: i.id, kind, look, title, note, yes }) }, label)));
}

const proposed = (i) => i.decision.verdict === "rollback" || i.decision.verdict === "ask" || i.decision.verdict === "observe";
const canApprove = (i) => proposed(i) && (i.status === "open" || i.status === "escalated") && !i.actions?.length;
const canReject = (i) => i.status === "open" || i.status === "mitigating" || i.status === "mitigated" || i.status === "escalated";
const canUndo = (i) => i.actions?.length > 0 && i.status !== "dismissed" && i.status !== "mitigating";

function confirm({ id, kind, look, title, note, yes }) {
  const dialog = byId("dialog");
  const name = h("input", { name: "by", autocomplete: "name", maxlength: 200, value: sessionStorage.getItem(NAME) ?? "" });
  const comment = h("textarea", { name: "comment", rows: 2, maxlength: 2000 });
  const wrong = h("p", { class: "wrong", role: "alert" });
  const go = h("button", { type: "submit", class: look || "main" }, yes);
  const send = async (event) => {
    event.preventDefault();
    go.disabled = true;
    wrong.textContent = "";
    try {
      sessionStorage.setItem(NAME, name.value.trim());
      await post(`/api/v1/incidents/${encodeURIComponent(id)}/${kind}`, { by: name.value.trim(), comment: comment.value.trim() });
      dialog.close();
      byId("spoken").textContent = "Your answer is recorded.";
    } catch (e) {
      wrong.textContent = e.message;
    }
    go.disabled = false;
  };
  dialog.replaceChildren(h("form", { onsubmit: send },
    h("h2", { id: "dialog-title" }, title), h("p", {}, note),
    h("label", {}, "Your name", name), h("label", {}, "Comment, for the report", comment), wrong,
    h("div", { class: "answers" }, go, h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"))));
  dialog.showModal();
  name.focus();
}
