// How values are written. Ratios are shown as per cent, times in UTC.

const three = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const count = (n) => whole.format(n ?? 0);
export const number = (n) => (Number.isFinite(n) ? three.format(n) : "unknown");
export const percent = (n) => `${number(n * 100)} %`;
export const words = (s) => String(s ?? "").replaceAll("_", " ");

export function seconds(n) {
  const a = Math.abs(n);
  if (a === 0) return "0 s";
  if (a < 1e-3) return `${number(n * 1e6)} µs`;
  if (a < 1) return `${number(n * 1e3)} ms`;
  if (a < 120) return `${number(n)} s`;
  if (a < 7200) return `${number(n / 60)} min`;
  return `${number(n / 3600)} h`;
}

function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let k = 0;
  for (; Math.abs(n) >= 999.5 && k < units.length - 1; k++) n /= 1000;
  return `${number(n)} ${units[k]}`;
}

export function value(n, unit) {
  if (unit === "1") return percent(n);
  if (unit === "s") return seconds(n);
  if (unit === "x") return `×${number(n)}`;
  if (unit === "By") return bytes(n);
  if (unit?.startsWith("{")) return number(n); // an annotation (UCUM): what is counted, not in what
  return `${number(n)} ${unit ?? ""}`.trim();
}

export function known(at) {
  return Boolean(at) && !at.startsWith("0001-");
}

// utc writes "2026-03-01 12:03:05 UTC".
export function utc(at) {
  return known(at) ? `${at.slice(0, 10)} ${at.slice(11, 19)} UTC` : "unknown";
}

export const clock = (at) => (known(at) ? `${at.slice(11, 19)} UTC` : "unknown");
export const between = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;

export function serviceName(namespace, service) {
  return namespace ? `${namespace}/${service}` : service;
}

// odds writes an e-value: how many times likelier the data are under a change.
export function odds(e) {
  if (!(e > 0)) return "none yet";
  if (e >= 1e12) return "> 10¹² : 1";
  if (e >= 1e6) return `${number(e / 1e6)} million : 1`;
  return `${number(e)} : 1`;
}
