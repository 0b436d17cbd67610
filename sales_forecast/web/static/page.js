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
      const address = `${input.dataset.search}?q=${encodeURIComponent(text)}`;
      const answer = text && await fetch(address).catch(() => null); // the service may be away
      if (number !== asked) return;
      if (answer && answer.redirected) return input.form.submit(); // signed out meanwhile
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

// A form is checked in the words of the server, and its answer comes without a reload.
function problemOf(input) {
  const text = input.value.trim();
  if (!text) return input.required ? `${input.dataset.name} is required.` : "";
  const number = input.dataset.kind === "whole" ? /^[+-]?\d{1,12}$/
    : input.dataset.kind === "number" ? /^[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d{1,3})?$/i : null;
  if (!number || number.test(text)) return "";
  return `${input.dataset.name} ${input.dataset.wish}, not ${JSON.stringify(text)}.`;
}

function check(form) {
  let first = null;
  for (const input of form.querySelectorAll("[data-name]")) {
    const problem = problemOf(input);
    const shown = document.getElementById(input.getAttribute("aria-describedby")).querySelector(".wrong");
    shown.textContent = problem;
    input.toggleAttribute("aria-invalid", false);
    if (problem) {
      input.setAttribute("aria-invalid", "true");
      first = first || input;
    }
  }
  if (first) first.focus();
  return !first;
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.ask) return;
  event.preventDefault();
  if (!check(form)) return;
  const place = document.getElementById(form.dataset.ask);
  const address = `${form.getAttribute("action")}?${new URLSearchParams(new FormData(form))}`;
  place.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address, { headers: { "X-Part": "1" } });
    // Signed out meanwhile, or a page that says why there is no answer.
    if (answer.redirected || ![200, 404, 422].includes(answer.status)) return location.assign(address);
    place.innerHTML = await answer.text();
    history.replaceState(null, "", address);
    const shown = place.querySelector("[aria-invalid], #answer");
    if (shown) shown.focus();
  } catch {
    location.assign(address); // the browser says what is wrong with the network
  } finally {
    place.removeAttribute("aria-busy");
  }
});
