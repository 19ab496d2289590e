// Asks for the page again when the collector says that something changed; without this script pages are merely still.
"use strict";
(() => {
  const sign = document.getElementById("live");
  let busy = false;
  let again = false;
  const REST = 5000;

  async function refresh() {
    if (busy || document.hidden) {
      again = true;
      return;
    }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.redirected && new URL(answer.url).pathname === "/login") {
        location.reload();
        return;
      }
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const open = [...document.querySelectorAll("details[open] summary")].map((node) => node.textContent);
        const typing = document.activeElement && document.activeElement.closest("main form");
        if (!typing) {
          const sideways = [...document.querySelectorAll(".scroll")].map((node) => node.scrollLeft);
          document.querySelector("main").replaceWith(page.querySelector("main"));
          document.querySelectorAll(".scroll").forEach((node, place) => { node.scrollLeft = sideways[place] || 0; });
          for (const node of document.querySelectorAll("details summary")) {
            if (open.includes(node.textContent)) node.parentElement.open = true;
          }
        }
      }
    } catch {
      // The stream below says whether the collector is away.
    } finally {
      // A page asks for itself no oftener than this, however much changes.
      setTimeout(() => {
        busy = false;
        if (again && !document.hidden) {
          again = false;
          refresh();
        }
      }, REST);
    }
  }

  const stream = new EventSource("/live");
  stream.addEventListener("open", () => {
    sign.hidden = false;
    sign.classList.remove("lost");
  });
  stream.addEventListener("error", () => {
    sign.hidden = false;
    sign.classList.add("lost");
  });
  stream.addEventListener("changed", refresh);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && again) {
      again = false;
      refresh();
    }
  });
})();
