"use strict";
// Keys. Off in fields and with Ctrl, Alt or Meta, and switched off for good by the link in the help (WCAG 2.1.4).
(() => {
  const off = () => localStorage.getItem("keys") === "off";
  const rows = () => [...document.querySelectorAll("main tbody tr[data-key] a")].filter((a, i, all) => i === 0 || a.closest("tr") !== all[i - 1].closest("tr"));
  const go = (path) => { location.assign((document.body.dataset.prefix || "") + path); };
  const step = (by) => {
    const all = rows(), at = all.findIndex((a) => a.closest("tr").contains(document.activeElement));
    const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
    if (next) next.focus();
  };
  const pages = { p: "/problems", s: "/sources", d: "/dead-letters", c: "/configuration", l: "/links" };
  let wasG = false;
  document.addEventListener("keydown", (event) => {
    const field = event.target.closest("input, select, textarea, [contenteditable]");
    if (off() || field || event.ctrlKey || event.altKey || event.metaKey) return;
    const key = event.key, g = wasG;
    wasG = key === "g";
    if (g && pages[key]) { event.preventDefault(); return go(pages[key]); }
    const press = (selector) => { const one = document.querySelector(selector); if (one) { event.preventDefault(); one.click(); } };
    if (key === "/") { const q = document.querySelector("input[name=q]"); if (q) { event.preventDefault(); q.focus(); } }
    else if (key === "j") step(1);
    else if (key === "k") step(-1);
    else if (key === "l") press("#live");
    else if (key === "o") press("a[data-open]");
    else if (key === "t") press("form.theme button");
    else if (key === "?") go("/about#keys");
  });
  document.addEventListener("change", (event) => {
    if (event.target.id === "keys-off") localStorage.setItem("keys", event.target.checked ? "off" : "on");
  });
  const box = document.getElementById("keys-off");
  if (box) box.checked = off();
})();
