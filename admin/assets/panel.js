// Keyboard, check boxes of rows, copy buttons, forms that are sent once, answers that htmx does not show. The panel works without
// this file.
"use strict";
(() => {
  const isWriting = (target) => target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null;
  const rows = () => [...document.querySelectorAll("#main tbody tr[data-href]")];

  const move = (by) => {
    const all = rows();
    if (all.length === 0) return;
    const at = all.findIndex((row) => row.classList.contains("cursor"));
    const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
    all.forEach((row) => row.classList.toggle("cursor", row === next));
    next.scrollIntoView({ block: "nearest" });
  };

  const follow = (selector) => document.querySelector(selector)?.click();

  const keys = {
    "/": () => document.getElementById("search")?.focus(),
    "?": () => document.getElementById("help")?.showModal(),
    j: () => move(1),
    k: () => move(-1),
    x: () => document.querySelector("tr.cursor input[name=row]")?.click(),
    n: () => follow("a[rel=next]"),
    p: () => follow("a[rel=prev]"),
    Enter: () => {
      const row = document.querySelector("tr.cursor[data-href]");
      if (row !== null) location.assign(row.dataset.href);
    },
  };

  document.addEventListener("keydown", (event) => {
    const isSearch = (event.ctrlKey || event.metaKey) && event.key === "k";
    if (isSearch) {
      event.preventDefault();
      keys["/"]();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target)) return;
    if (event.key === "Enter" && event.target.closest("a, button, summary, input") !== null) return;
    const act = keys[event.key];
    if (act === undefined) return;
    if (event.key !== "Enter") event.preventDefault();
    act();
  });

  // `navigator.clipboard` is missing on plain HTTP.
  const copy = async (text) => {
    if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text);
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  };

  const prepare = () => document.querySelectorAll(".copy[hidden]").forEach((button) => { button.hidden = false; });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest(".copy");
    if (button === null) return;
    await copy(button.dataset.copy);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1500);
  });
  document.addEventListener("htmx:load", prepare);
  prepare();

  // Forms that lead to another page are sent once: the answer to a second one would replace a password or a token that is shown
  // only once. A download leaves the page; `passkeys.js` sends forms with a passkey.
  const sent = new WeakSet();
  const buttonsOf = (form) => form.querySelectorAll("button:not([type=button])");
  const isSentOnce = (form) => form.getAttribute("method") === "post" && form.dataset.passkey === undefined
    && !(form.getAttribute("action") ?? "").endsWith("/download");
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!isSentOnce(form)) return;
    if (sent.has(form)) {
      event.preventDefault();
      return;
    }
    sent.add(form);
    // Later: a button that is disabled during this event is not sent with its form.
    setTimeout(() => buttonsOf(form).forEach((button) => { button.disabled = true; }));
  });
  // Browsers keep the state of a page to which somebody returns.
  window.addEventListener("pageshow", (event) => {
    for (const form of document.querySelectorAll("form[method=post]")) {
      if (event.persisted) sent.delete(form);
      if (!sent.has(form)) buttonsOf(form).forEach((button) => { button.disabled = false; });
    }
  });

  // Htmx leaves the former rows under the new filter when a page is refused: the refusal says what to do.
  document.addEventListener("htmx:responseError", ({ detail }) => {
    // What is read every few seconds is asked for again soon.
    if (detail.elt.id === "live" && detail.xhr.status >= 500) return;
    location.assign(detail.pathInfo.finalRequestPath);
  });
  // A session that has ended leads to a page without the list that htmx looks for.
  const signInPath = /^(\/portal)?\/sign-in(\/|$)/;
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { responseURL } = event.detail.xhr;
    if (responseURL === "" || !signInPath.test(new URL(responseURL).pathname)) return;
    event.preventDefault();
    location.assign(responseURL);
  });
})();
