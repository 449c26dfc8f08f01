// Dark is the usual; light where the system prefers it, or where the button says so.  Before anything is drawn.
(() => {
  const chosen = localStorage.getItem("theme");
  const light = matchMedia("(prefers-color-scheme: light)");
  const apply = () => {
    document.documentElement.dataset.theme = localStorage.getItem("theme") || (light.matches ? "light" : "dark");
  };
  document.documentElement.dataset.theme = chosen || (light.matches ? "light" : "dark");
  light.addEventListener("change", apply);
})();
