// Makes pages better where there is a script: components of GOV.UK Frontend, and regions that renew themselves.
import { initAll } from "./govuk/govuk-frontend.min.js";

document.body.classList.add("js-enabled", "govuk-frontend-supported");
initAll();

// A region with data-live is taken from the same page again when the server says that something happened.
const live = document.querySelector("[data-live]");
if (live && window.EventSource) {
  let asked = false;
  const renew = async () => {
    if (asked || document.hidden || live.contains(document.activeElement)) return;
    asked = true;
    try {
      const answer = await fetch(location.href, { headers: { "x-live": "1" } });
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("[data-live]");
      if (fresh) live.replaceChildren(...fresh.childNodes);
    } finally {
      asked = false;
    }
  };
  const source = new EventSource("/live");
  source.addEventListener("moved", renew);
  window.addEventListener("pagehide", () => source.close());
}
