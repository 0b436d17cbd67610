// What the page does beyond HTML. Everything works without it; see docs/planner.md.
"use strict";

// Series are found while somebody types.
for (const input of document.querySelectorAll("[data-search]")) {
  const found = input.nextElementSibling;
  let asked = 0;
  input.addEventListener("input", () => {
    const number = ++asked;
    setTimeout(async () => {
      if (number !== asked) return; // more was typed
      const text = input.value.trim();
      const answer = text && await fetch(`${input.dataset.search}?q=${encodeURIComponent(text)}`);
      if (number !== asked) return;
      found.innerHTML = answer && answer.ok ? await answer.text() : "";
      found.hidden = !found.innerHTML.trim();
    }, 120);
  });
  input.form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { found.hidden = true; input.focus(); }
  });
  document.addEventListener("click", (event) => {
    if (!input.form.contains(event.target)) found.hidden = true;
  });
}
