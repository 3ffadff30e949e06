"use strict";
// Forms that are posted. The answer takes the place of the page without being in the history, so that Back leads to the form as
// it was left, and never asks whether to send it again. Without this script forms are posted as everywhere.
(() => {
  let left = null, busy = false;
  const show = (main, title) => {
    document.querySelector("main").replaceWith(main);
    document.title = title;
    htmx.process(main);
    scrollTo(0, 0);
    (main.querySelector("[autofocus]") || main).focus();
  };
  const answered = async (answer) => {
    const inPlace = Boolean(left);
    if (answer.redirected) return inPlace ? location.replace(answer.url) : location.assign(answer.url);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html"), main = page.querySelector("main");
    if (!main) return location.reload();
    if (!inPlace) {
      left = { main: document.querySelector("main"), title: document.title };
      history.pushState({ posted: true }, "");
    }
    show(document.adoptNode(main), page.title);
  };
  const lost = () => {
    const words = document.createElement("p");
    words.className = "fault";
    words.setAttribute("role", "alert");
    words.textContent = "The console did not answer, so it is not known whether this was done. Load the page again, and look.";
    document.querySelector("main").prepend(words);
    scrollTo(0, 0);
  };
  document.addEventListener("submit", async (event) => {
    const form = event.target, button = event.submitter;
    if (event.defaultPrevented || (form.getAttribute("method") || "").toLowerCase() !== "post") return;
    event.preventDefault();
    if (busy) return;
    busy = true;
    const path = (button && button.getAttribute("formaction")) || form.getAttribute("action");
    try {
      await answered(await fetch(path, { method: "POST", body: new URLSearchParams(new FormData(form, button)) }));
    } catch {
      lost();
    } finally {
      busy = false;
    }
  });
  addEventListener("popstate", (event) => {
    if (left) { show(left.main, left.title); left = null; }
    else if (event.state && event.state.posted) location.reload();
  });
  if (history.state && history.state.posted) history.replaceState(null, "");
})();
