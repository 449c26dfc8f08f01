// Dark is the usual; light where the system prefers it, or where the button says so.  Before anything is drawn.
(() => {
  const light = matchMedia("(prefers-color-scheme: light)");
  const chosen = () => { try { return localStorage.getItem("theme"); } catch { return null; } }; // it may be blocked
  const apply = () => { document.documentElement.dataset.theme = chosen() || (light.matches ? "light" : "dark"); };
  apply();
  light.addEventListener("change", apply);
})();
