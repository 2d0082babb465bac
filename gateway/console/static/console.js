// Makes pages better where there is a script: components of GOV.UK Frontend, and regions that renew themselves.
import { initAll } from "./govuk/govuk-frontend.min.js";

document.body.classList.add("js-enabled", "govuk-frontend-supported");
initAll();

// A region with data-live is taken from the same page again when the server says that something happened since the mark that it has.
const live = document.querySelector("[data-live]");
if (live && window.EventSource) {
  let stale = false, asking = false, source;
  const renew = async () => {
    if (!stale || asking || document.hidden || live.contains(document.activeElement)) return;
    asking = true;
    stale = false;
    try {
      const answer = await fetch(location.href, { headers: { "x-live": "1" } });
      if (answer.redirected) return;
      if (!answer.ok) throw new Error(answer.statusText);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("[data-live]");
      if (fresh) live.replaceChildren(...fresh.childNodes);
    } catch {
      stale = true; // nothing else may happen that would have it asked for again
      setTimeout(renew, 5000);
      return;
    } finally {
      asking = false;
    }
    renew();
  };
  const end = () => {
    source.close();
    const told = document.querySelector("[data-live-ended]");
    told.querySelector("a").href = `/sign-in?next=${encodeURIComponent(location.pathname)}`;
    told.hidden = false;
  };
  const listen = () => {
    source = new EventSource(`/live?seen=${encodeURIComponent(live.dataset.live)}`);
    source.addEventListener("moved", () => { stale = true; renew(); });
    source.addEventListener("ended", end);
    source.addEventListener("error", () => { if (source.readyState === EventSource.CLOSED) setTimeout(listen, 5000); });
  };
  listen();
  document.addEventListener("visibilitychange", renew);
  live.addEventListener("focusout", () => setTimeout(renew));
  window.addEventListener("pagehide", () => source.close());
  window.addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
}
