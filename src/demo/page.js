"use strict";
const look = (emoji) => {
  const option = [...document.querySelector("[data-emoji]").options].find((it) => it.value === emoji);
  return option ? option.text : emoji;
};

function show(member) {
  const card = document.getElementById(member.id);
  const find = (name) => card.querySelector(`[data-${name}]`);
  const name = find("name");
  if (name.textContent !== member.name) {
    name.textContent = member.name;
    name.classList.remove("changed");
    void name.offsetWidth;
    name.classList.add("changed");
  }
  const photo = find("photo");
  const source = member.photo || "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E";
  if (photo.getAttribute("src") !== source) photo.setAttribute("src", source);
  find("status").textContent = look(member.emoji);
  find("consent").hidden = member.authorised;
  const emoji = find("emoji");
  if (document.activeElement !== emoji) emoji.value = member.emoji;
  const steps = JSON.stringify(member.steps);
  const list = find("steps");
  if (list.dataset.shown !== steps) {
    list.dataset.shown = steps;
    list.replaceChildren(...member.steps.map((step) => {
      const item = document.createElement("li");
      const [what, when] = [document.createElement("span"), document.createElement("span")];
      what.textContent = step.what;
      when.textContent = `${step.ms} ms`;
      item.append(what, when);
      return item;
    }));
  }
}

async function refresh() {
  try {
    const answer = await fetch("/demo/state");
    (await answer.json()).forEach(show);
  } finally {
    setTimeout(refresh, 250);
  }
}

for (const select of document.querySelectorAll("[data-emoji]")) {
  select.addEventListener("change", () => {
    const user = select.closest(".member").id;
    fetch("/demo/status", { method: "POST", body: new URLSearchParams({ user, emoji: select.value }) });
  });
}
refresh();
