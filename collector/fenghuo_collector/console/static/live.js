// Asks for the page again when the collector says that something changed; without this script pages are merely still.
"use strict";
(() => {
  const sign = document.getElementById("live");
  let busy = false;
  let again = false;

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
          document.querySelector("main").replaceWith(page.querySelector("main"));
          for (const node of document.querySelectorAll("details summary")) {
            if (open.includes(node.textContent)) node.parentElement.open = true;
          }
        }
      }
    } catch {
      // The stream below says whether the collector is away.
    } finally {
      busy = false;
      setTimeout(() => {
        if (again && !document.hidden) {
          again = false;
          refresh();
        }
      }, 2000);
    }
  }

  const stream = new EventSource("/live");
  stream.addEventListener("open", () => { sign.hidden = false; });
  stream.addEventListener("error", () => { sign.hidden = true; });
  stream.addEventListener("changed", refresh);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && again) {
      again = false;
      refresh();
    }
  });
})();
