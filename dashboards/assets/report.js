// The report as a file: fetched, because a plain link carries no token.
import { getText } from "./api.js";
import { h } from "./dom.js";

export function reportLink(id) {
  const path = `/api/v1/incidents/${encodeURIComponent(id)}/report.md`;
  const said = h("span", { class: "small", role: "status" });
  const save = async () => {
    try {
      const file = URL.createObjectURL(new Blob([await getText(path)], { type: "text/markdown" }));
      h("a", { href: file, download: `incident-${id}.md` }).click();
      URL.revokeObjectURL(file);
      said.textContent = "saved";
    } catch (e) {
      said.textContent = e.message;
    }
  };
  return h("span", {}, h("button", { class: "link", type: "button", onclick: save, "data-focus": "report" }, "Report as Markdown"), " ", said);
}
