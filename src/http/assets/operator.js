"use strict";
// Fetches the page anew every few seconds and exchanges the parts that differ. Nothing is lost without this script but that.
const EVERY = 5000;
let timer;

function isInUse(part) {
  const selection = document.getSelection();
  const isSelected = selection && !selection.isCollapsed && selection.containsNode(part, true);
  return isSelected || part.contains(document.activeElement);
}

function exchange(fresh) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (other && other.innerHTML !== part.innerHTML && !isInUse(part)) {
      part.className = other.className;
      part.innerHTML = other.innerHTML;
    }
  }
  document.title = fresh.title;
}

function lostContact(isLost) {
  document.getElementById("contact").textContent = isLost ? "The service does not answer: these figures are old." : "";
}

async function refresh() {
  clearTimeout(timer);
  try {
    const answer = await fetch("/", { cache: "no-store" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!fresh.getElementById("state")) {
      // The session is over: whatever is shown instead is shown.
      location.reload();
      return;
    }
    exchange(fresh);
    lostContact(false);
  } catch {
    lostContact(true);
  }
  timer = setTimeout(refresh, EVERY);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else refresh();
});
timer = setTimeout(refresh, EVERY);
