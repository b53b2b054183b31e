"use strict";
// Texts of the study reach the page through textContent alone: whatever a row holds, it is shown and not run.
const $ = (id) => document.getElementById(id);
const token = new URLSearchParams(location.search).get("token");
const state = { study: null, judge: null, card: null, progress: null, correcting: false, busy: false, shown: [], at: 0 };
const FEW = 9;

async function ask(path, body) {
  const headers = {};
  if (token) headers.Authorization = "Bearer " + token;
  const options = { headers, cache: "no-store", credentials: "omit" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
  }
  // Asked again until there is an answer: the server may have been stopped and started.
  for (let wait = 300; ; wait = Math.min(wait * 1.6, 5000)) {
    let response;
    try {
      response = await fetch(path, options);
    } catch {
      trouble("The server does not answer. Trying again; nothing that was saved is lost.");
      await new Promise((resolve) => setTimeout(resolve, wait));
      continue;
    }
    trouble(null);
    const type = response.headers.get("content-type") || "";
    const value = type.startsWith("application/json") ? await response.json() : { error: await response.text() };
    if (!response.ok) throw Object.assign(new Error(value.error.trim()), { status: response.status });
    return value;
  }
}

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "onclick") element.addEventListener("click", value);
    else if (name === "text") element.textContent = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function trouble(text) {
  $("trouble").hidden = !text;
  $("trouble").textContent = text || "";
}

function show(section) {
  for (const id of ["enter", "row", "done"]) $(id).hidden = id !== section;
  $("bar").hidden = section === "enter";
}

const ABOUT = {
  label: "You will read some rows and give each its label. What the model says is not shown.",
  agree: "You will read some rows, and say of each whether what the model says of it is right.",
  compare: "You will read some rows with two answers to each, and say which is better.",
};

async function start() {
  state.study = await ask("api/study");
  const { mode, data, rows, judges } = state.study;
  document.title = "Judge " + data;
  $("enter-title").textContent = { label: "Label " + data, agree: "Is the model right?", compare: "Which is better?" }[mode];
  $("enter-about").textContent =
    `${ABOUT[mode]} There ${rows === 1 ? "is one row" : `are ${rows} rows`}; every answer is saved at once, so you can stop and come back.`;
  $("judges").replaceChildren(...judges.map((judge) => make("li", {},
    make("button", { type: "button", onclick: () => enter(judge.judge) },
      make("span", { text: judge.judge }),
      make("span", { text: judge.done === judge.rows ? "done" : `${judge.done} of ${judge.rows}` })))));
  $("back").hidden = judges.length === 0;
  show("enter");
  $("name").focus();
}

async function enter(name) {
  await work(async () => {
    state.progress = await ask("api/enter", { judge: name });
    state.judge = state.progress.judge;
    $("who").textContent = state.judge;
    await next();
  });
}

async function next() {
  const { card, progress } = await ask("api/next", { judge: state.judge });
  Object.assign(state, { card, progress, correcting: false });
  const { done, rows } = progress;
  $("count").textContent = `${done} of ${rows}`;
  $("progress").max = rows;
  $("progress").value = done;
  $("undo").disabled = done === 0;
  if (!card) {
    $("done-title").textContent = `All ${rows} rows are answered. Thank you, ${state.judge}.`;
    show("done");
    $("done-title").focus({ preventScroll: true });
    return;
  }
  $("texts").replaceChildren(...card.texts.map(({ name, text }) => make("div", { class: "card" },
    ...(card.texts.length > 1 ? [make("h2", { text: name })] : []),
    make("p", { dir: "auto", class: text.trim() === "" ? "blank" : text.length > 400 ? "long" : "short", text: text.trim() === "" ? "(empty)" : text }))));
  question();
  show("row");
  scrollTo(0, 0);
  $("status").textContent = `row ${done + 1} of ${rows}: ${card.texts.map((part) => part.text).join(" — ")}`;
  if (!$("finder").hidden) $("find").focus({ preventScroll: true });
  else $("question").focus({ preventScroll: true });
}

// What is asked of the row at hand, with its choices.
function question() {
  const { mode, classes } = state.study;
  const { card } = state;
  const title = $("question");
  $("sides").hidden = mode !== "compare";
  if (mode === "compare") {
    title.textContent = "Which is better?";
    const side = (name, key, text, says) => make("button", { type: "button", class: "side", onclick: () => answer({ kind: "prefer", side: name }) },
      make("span", { class: "says", dir: "auto", text: says }), make("span", { class: "key" }, make("kbd", { text: key }), " " + text));
    $("sides").replaceChildren(side("left", "←", "this one", card.left), side("right", "→", "this one", card.right));
    $("sides").classList.toggle("tall", Math.max(card.left.length, card.right.length) > 60);
    choices([["↓", "Neither is better", { kind: "tie" }]]);
    finder(false);
  } else if (mode === "agree" && !state.correcting) {
    title.replaceChildren("The model says ", make("b", { text: card.says }));
    choices([["Y", "Right", () => answer({ kind: "agree" })], ["N", "Wrong", wrong]]);
    finder(false);
  } else {
    title.textContent = mode === "agree" ? "Which label is right?" : "Which label fits?";
    const kind = mode === "agree" ? "disagree" : "label";
    const few = classes.length <= FEW;
    const named = few ? classes.map((name, at) => [String(at + 1), name, { kind, class: at }]) : [];
    const kept = mode === "agree" ? named.filter(([, name]) => name !== card.says) : named;
    const unknown = mode === "agree" ? [["0", "Wrong, but I do not know what is right", { kind, class: null }]] : [];
    choices([...kept, ...unknown]);
    finder(!few);
  }
}

function choices(list) {
  $("choices").replaceChildren(...list.map(([key, text, what]) => make("button", {
    type: "button", class: "choice", "data-key": key.toLowerCase(), "aria-keyshortcuts": { "↓": "ArrowDown" }[key] || key,
    onclick: typeof what === "function" ? what : () => answer(what),
  }, make("kbd", { text: key }), make("span", { dir: "auto", text }))));
}

function wrong() {
  if (state.study.classes.length === 0) return answer({ kind: "disagree", class: null });
  // Of two classes, the other one is right.
  if (state.study.classes.length === 2) {
    return answer({ kind: "disagree", class: state.study.classes.findIndex((name) => name !== state.card.says) });
  }
  state.correcting = true;
  question();
  if (!$("finder").hidden) $("find").focus();
  else $("question").focus();
  $("status").textContent = $("question").textContent;
}

// Many labels are found by their letters.
function finder(visible) {
  $("finder").hidden = !visible;
  // Letters are the finder's while it is there.
  for (const [id, key] of [["undo", "U"], ["unsure", "S"]]) $(id).querySelector("kbd").textContent = (visible ? "Alt " : "") + key;
  if (!visible) return;
  $("find").value = "";
  find();
}

function find() {
  const wanted = $("find").value.trim().toLowerCase();
  const rank = (name) => { const place = name.toLowerCase().replaceAll("_", " ").indexOf(wanted.replaceAll("_", " ")); return place < 0 ? 9 : place > 0 ? 1 : 0; };
  const { classes, mode } = state.study;
  state.shown = classes.map((name, at) => ({ name, at, rank: rank(name) }))
    .filter(({ name, rank }) => rank < 9 && !(mode === "agree" && name === state.card.says))
    .sort((a, b) => a.rank - b.rank || a.at - b.at);
  state.at = 0;
  $("found").replaceChildren(...state.shown.map(({ name, at }, place) => make("li", {
    role: "option", id: "label-" + at, "aria-selected": place === 0 && wanted !== "" ? "true" : "false", dir: "auto", text: name, onclick: () => choose(place),
  })));
  if (wanted === "") state.at = -1;
  point();
}

function point() {
  [...$("found").children].forEach((option, place) => option.setAttribute("aria-selected", place === state.at ? "true" : "false"));
  const option = $("found").children[state.at];
  if (option) {
    $("find").setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  } else $("find").removeAttribute("aria-activedescendant");
}

function choose(place) {
  const label = state.shown[place];
  if (label) answer({ kind: state.study.mode === "agree" ? "disagree" : "label", class: label.at });
}

function answer(what) {
  return work(async () => {
    if (!state.card) return;
    await ask("api/answer", { judge: state.judge, position: state.card.position, answer: what });
    await next();
  });
}

function undo() {
  return work(async () => {
    if (state.correcting) { state.correcting = false; question(); return; }
    if (!state.progress || state.progress.done === 0) return;
    await ask("api/undo", { judge: state.judge });
    await next();
  });
}

// One thing at a time: a second press while the first is being saved is not a second answer.
async function work(what) {
  if (state.busy) return;
  state.busy = true;
  try {
    await what();
  } catch (error) {
    trouble(error.message);
    // Someone of the same name may have answered elsewhere.
    if (error.status === 409) await next().catch(() => {});
  } finally {
    state.busy = false;
  }
}

function help() {
  const { mode, classes } = state.study;
  const many = classes.length > FEW;
  const keys = {
    label: [many ? ["A … Z", "find a label, then Enter"] : ["1 … " + classes.length, "give this label"]],
    agree: [["Y", "the model is right"], ["N", "it is wrong"], ...(classes.length > 2 ? [[many ? "A … Z" : "1 …", "then the right label"], ["0", "or that you do not know it"]] : [])],
    compare: [["←", "the left is better"], ["→", "the right is better"], ["↓", "neither is"]],
  }[mode];
  const control = many && mode === "label" ? "Alt " : "";
  $("keys").replaceChildren(...[...keys, [control + "S", "cannot tell"], [control + "U", "undo the last answer"], ["?", "these keys"]].flatMap(
    ([key, text]) => [make("dt", {}, make("kbd", { text: key })), make("dd", { text })]));
  $("help").showModal();
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || $("help").open || !state.study) return;
  const typing = event.target instanceof HTMLInputElement;
  // With Alt some keyboards write another letter, so the key itself is asked.
  const key = event.altKey && event.code.startsWith("Key") ? event.code.slice(3).toLowerCase() : event.key.toLowerCase();
  if (typing && !event.altKey) {
    if (event.target !== $("find")) return;
    const last = state.shown.length - 1;
    if (key === "enter") choose(state.at);
    else if (key === "arrowdown") { state.at = Math.min(state.at + 1, last); point(); }
    else if (key === "arrowup") { state.at = Math.max(state.at - 1, 0); point(); }
    else if (key === "escape") { if (state.correcting && $("find").value === "") undo(); else { $("find").value = ""; find(); } }
    else if (key === "0" && state.correcting && $("find").value === "") answer({ kind: "disagree", class: null });
    else if (key === "?" && $("find").value === "") help();
    else return;
    event.preventDefault();
    return;
  }
  if (key === "?") help();
  else if (!$("done").hidden) { if (key === "u") undo(); else return; }
  else if ($("row").hidden || event.repeat) return;
  else if (key === "u" || key === "backspace" || (key === "escape" && state.correcting)) undo();
  else if (key === "s") answer({ kind: "unsure" });
  else if (state.study.mode === "compare" && key === "arrowleft") answer({ kind: "prefer", side: "left" });
  else if (state.study.mode === "compare" && key === "arrowright") answer({ kind: "prefer", side: "right" });
  else if (state.study.mode === "compare" && key === "arrowdown") answer({ kind: "tie" });
  else {
    const choice = [...$("choices").children].find((button) => button.dataset.key === key);
    if (!choice || event.altKey) return;
    choice.click();
  }
  event.preventDefault();
});

$("enter-form").addEventListener("submit", (event) => { event.preventDefault(); enter($("name").value); });
$("find").addEventListener("input", find);
$("undo").addEventListener("click", undo);
$("undo-last").addEventListener("click", undo);
$("unsure").addEventListener("click", () => answer({ kind: "unsure" }));
$("other").addEventListener("click", () => { state.judge = null; $("name").value = ""; start(); });
$("help-button").addEventListener("click", help);
start().catch((error) => trouble(error.message));
