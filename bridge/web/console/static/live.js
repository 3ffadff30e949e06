"use strict";
// Live lists: an event says that something changed, and the list is asked for again, once a second at most, and a slow
// one for a sixth of the time. Nothing is asked for while the page is paused or hidden; then changes are counted.
(() => {
  let source = null, missed = 0, paused = false, busy = false, again = false, timer = 0, notBefore = 0, clock = 0;
  const button = () => document.getElementById("live");
  const show = () => {
    const one = button();
    if (!one) return;
    one.hidden = false;
    one.setAttribute("aria-pressed", String(!paused));
    one.textContent = paused ? "Live: paused" : "Live: on";
    const note = document.getElementById("changed");
    note.hidden = !missed;
    note.textContent = missed ? `changed ${missed} time${missed === 1 ? "" : "s"} since: show` : "";
  };
  const refresh = async () => {
    if (busy) { again = true; return; }
    const began = performance.now();
    busy = true;
    missed = 0;
    try {
      const list = document.getElementById("list"), target = list ? "#list" : "#main";
      await htmx.ajax("GET", location.pathname + location.search, { target, select: target, swap: "outerMorph", push: "false", headers: { "X-Live": list ? list.dataset.digest : "none" } });
    } finally {
      busy = false;
      const now = performance.now();
      notBefore = Math.max(began + 1000, now + 5 * (now - began));
      show();
      if (again) { again = false; changed(); }
    }
  };
  const changed = () => {
    if (!button()) return;
    if (paused || document.hidden) { missed += 1; show(); return; }
    if (timer) return;
    timer = setTimeout(() => { timer = 0; refresh(); }, Math.max(0, notBefore - performance.now()));
  };
  const every = () => { // pages that say how long ago something was; while they are read, not more
    const one = button();
    if (one && one.dataset.every && !paused && !document.hidden && !busy) changed();
  };
  const open = () => {
    const one = button();
    if (one && one.dataset.every && !clock) { clock = setInterval(every, 1000 * Number(one.dataset.every)); show(); }
    if (!one || !one.dataset.live || source) return;
    source = new EventSource(one.dataset.live);
    source.addEventListener("changed", changed);
    show();
  };
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#live")) return;
    paused = !paused;
    if (timer) { clearTimeout(timer); timer = 0; missed += 1; }
    if (paused || !missed) show(); else refresh();
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && missed && !paused) refresh(); });
  addEventListener("pagehide", () => { clearInterval(clock); clock = 0; if (source) { source.close(); source = null; } });
  addEventListener("pageshow", open);
  document.addEventListener("htmx:before:response", (event) => {
    const { request, response } = event.detail.ctx;
    if (!request.headers["X-Live"] || (response.status < 400 && !response.raw.redirected)) return;
    event.preventDefault();
    if (response.status >= 500) setTimeout(changed, 2000); // the list stays, and is asked for again
    else location.reload(); // to log in, say
  });
  document.addEventListener("htmx:after:swap", () => { open(); show(); });
  open();
})();
