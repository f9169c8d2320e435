"use strict";
(function () {
  var root = document.documentElement;
  var buttons = document.querySelectorAll("[data-language]");
  function choose(language) {
    root.lang = language;
    document.title = root.getAttribute("data-title-" + language);
    document.querySelectorAll("img[data-alt-en]").forEach(function (image) {
      image.alt = image.getAttribute("data-alt-" + language);
    });
    buttons.forEach(function (button) {
      button.setAttribute("aria-pressed", String(button.getAttribute("data-language") === language));
    });
  }
  function kept() {
    try { return localStorage.getItem("language"); } catch (refused) { return null; }
  }
  buttons.forEach(function (button) {
    button.addEventListener("click", function () {
      var language = button.getAttribute("data-language");
      choose(language);
      try { localStorage.setItem("language", language); } catch (refused) { /* A file may have no storage. */ }
    });
  });
  choose(kept() || (/^ko\b/.test(navigator.language) ? "ko" : "en"));
  document.querySelector(".languages").hidden = false;
  // What is folded would be missing on paper. What decides in each cell of the matrix would leave the paper.
  var folded = [];
  window.addEventListener("beforeprint", function () {
    folded = Array.prototype.slice.call(document.querySelectorAll("details:not([open]):not(.matrix details)"));
    folded.forEach(function (part) { part.open = true; });
  });
  window.addEventListener("afterprint", function () {
    folded.forEach(function (part) { part.open = false; });
  });
})();
