// The page at /: it asks for refunds, and draws the steps that the server tells. Whatever
// comes from outside is written as text, never as markup.
"use strict";

const texts = JSON.parse(document.getElementById("texts").textContent);
const t = (name) => texts[name] ?? name;
const $ = (id) => document.getElementById(id);
const form = $("form"), fake = document.body.dataset.fake === "true";
const el = (tag, className, ...inside) => {
  const e = document.createElement(tag);
  if (className) e.className = className;
  e.append(...inside);
  return e;
};

// clean writes out what nobody would see, or what would turn the text around it.
const clean = (text) => String(text).replace(/[\p{Cc}\p{Zl}\p{Zp}]|(?!\u200d)\p{Cf}/gu, (c) => "[U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "]");
const code = (text) => el("bdi", "num", clean(text));
const fen = (yuan) => Math.round(Number(yuan || 0) * 100);
const yuan = (fen) => "¥" + (fen / 100).toFixed(2);

// --- the orders

let orders = [];
const orderOf = (o) => o.out_trade_no || o.auth_no || "";
const leftOf = (o) => fen(o.total) - fen(o.refunded) - fen(o.claimed);

function drawOrders() {
  const chosen = form.elements.which?.value ?? null, focused = $("orders").contains(document.activeElement);
  const rows = orders.filter(orderOf).sort((a, b) => Boolean(a.auth_no) - Boolean(b.auth_no)).map((o) => {
    const input = el("input");
    Object.assign(input, { type: "radio", name: "which", value: orderOf(o) });
    const left = leftOf(o), known = o.total !== undefined;
    const bar = el("meter");
    Object.assign(bar, { min: 0, max: 1, value: known ? Math.min((fen(o.refunded) + fen(o.claimed)) / fen(o.total), 1) : 0 });
    bar.setAttribute("aria-hidden", "true");
    const sum = known ? (left > 0 ? t("left") + " " + yuan(left) + " / " + yuan(fen(o.total)) : t("all.gone")) : t("total.unknown");
    return el("label", "order" + (known && left <= 0 ? " gone" : ""), input,
      el("span", "", el("b", "", t(o.auth_no ? "kind.coupon" : "kind.trade")), el("small", "", sum), code(orderOf(o)), bar));
  });
  const other = el("input");
  Object.assign(other, { type: "radio", name: "which", value: "" });
  rows.push(el("label", "order", other, el("span", "", el("b", "", t("other")))));
  $("orders").replaceChildren(...rows);
  const radios = [...form.querySelectorAll("input[name=which]")];
  const wanted = radios.find((r) => r.value === chosen) ?? radios.find((r) => leftOf(orders.find((o) => orderOf(o) === r.value) ?? {}) >= 10000) ?? radios[0];
  wanted.checked = true;
  if (focused) wanted.focus();
  drawLeft();
}

function drawLeft() {
  const o = orders.find((o) => orderOf(o) === form.elements.which.value);
  $("other").hidden = form.elements.which.value !== "";
  const known = o !== undefined && o.total !== undefined;
  $("whole").hidden = !known;
  $("left").textContent = known ? yuan(Math.max(leftOf(o), 0)) : "";
  if (!known && form.elements.much.value === "whole") form.elements.much.value = "part";
}

$("orders").addEventListener("change", drawLeft);
form.elements.amount.addEventListener("focus", () => { form.elements.much.value = "part"; });
$("buy")?.addEventListener("click", () => fetch("demo/orders", { method: "POST" }).catch(() => say(t("e.lost"))));

// --- asking

const say = (...what) => $("said").replaceChildren(...what);
let serial = 0;
const newNumber = () => "demo-" + Date.now().toString(36) + "-" + (++serial);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const f = form.elements, o = orders.find((o) => orderOf(o) === f.which.value);
  const number = f.which.value || f.order.value.trim();
  const coupon = o ? Boolean(o.auth_no) : f.kind.value === "coupon";
  const amount = f.much.value === "whole" ? (leftOf(o) / 100).toFixed(2) : f.amount.value.trim();
  say();
  if (!number) return fault(f.order, "e.number");
  if (!/^[0-9]+(\.[0-9]{1,2})?$/.test(amount)) return fault(f.amount, "e.amount");
  const request = f.number.value || newNumber();
  const body = coupon ? { auth_no: number, out_request_no: request, amount, remark: f.reason.value || "-" }
    : { out_trade_no: number, out_request_no: request, refund_amount: amount, refund_reason: f.reason.value || undefined };
  const faults = [...form.querySelectorAll("[name=call]:checked, [name=notice]:checked")].map((i) => i.value).filter(Boolean);
  await ask({ coupon, body, faults, order: number, number: request });
});

function fault(input, name) {
  say(t(name));
  input.focus();
}

async function ask(what) {
  const go = $("go");
  go.setAttribute("aria-busy", "true");
  go.textContent = t("going");
  const card = cardOf(what.order, what.number);
  card.ask = what;
  card.amount ??= yuan(fen(what.body.amount ?? what.body.refund_amount));
  if (matchMedia("(max-width: 860px)").matches) card.root.scrollIntoView();
  try {
    const answer = await fetch("demo/refunds" + (what.coupon ? "?kind=coupon" : ""), {
      method: "POST", headers: { "Content-Type": "application/json", "Demo-Fault": what.faults.join(",") }, body: JSON.stringify(what.body),
    });
    if (!answer.ok) throw new Error(answer.status);
    const { status, body } = await answer.json();
    if (status === 0) say(t("e.cut"));
    else if (status >= 300 && body?.code !== "alipay_refused") say(t("e.status") + " " + status + ": ", el("bdi", "", clean(body?.detail || body?.title || body?.code || "")));
    if (body?.id) card.id = body.id;
    else if (status !== 0 && card.steps.length === 0) card.forget(); // it came to nothing
  } catch {
    say(t("e.lost"));
  }
  card.draw();
  go.removeAttribute("aria-busy");
  go.textContent = t("go");
}

// --- what happens

const cards = new Map();
const actors = {
  recorded: "module", sent: "module", answer: "alipay", ask: "module", told: "alipay", settled: "module", notice: "alipay", tampered: "network", refused: "module",
  verified: "module", duplicate: "module", acknowledged: "module", hook: "shop", done: "module", answered: "shop", repeated: "shop", arrived: "network", crashed: "shop", restarted: "shop",
};

function cardOf(order, number) {
  const key = JSON.stringify([order, number]);
  return cards.get(key) ?? new Card(key, order, number);
}

class Card {
  steps = []; id = ""; state = "pending"; settled = false; began = 0;
  counts = { moved: -1, hook: 0, sent: 0, notice: 0 };

  constructor(key, order, number) {
    Object.assign(this, { key, order, number });
    this.list = el("ol", "timeline");
    this.badge = el("span", "badge");
    this.sum = el("b", "sum");
    this.score = el("dl", "score");
    this.verdict = el("p", "verdict");
    this.tools = el("p", "tools");
    this.root = el("details", "refund", el("summary", "", el("span", "head", this.sum, this.badge), el("span", "ids", code(order), code(number))), this.score, this.verdict, this.list, this.tools);
    for (const other of cards.values()) other.root.open = false;
    this.root.open = true;
    cards.set(key, this);
    $("refunds").prepend(this.root);
    $("empty").hidden = true;
    this.draw();
  }

  forget() {
    this.root.remove();
    cards.delete(this.key);
    $("empty").hidden = cards.size > 0;
  }

  // add adds a step: what it says depends on those before it.
  add(s) {
    const c = this.counts, at = Date.parse(s.at);
    if (s.moved >= 0) c.moved = s.moved;
    if (s.refund) this.id = s.refund;
    this.began ||= at;
    let name = "s." + s.name + (s.outcome ? "." + s.outcome : ""), look = "", detail = s.detail;
    switch (s.name) {
      case "sent": if (++c.sent > 1) name = "s.resent"; break;
      case "answer": case "told": look = s.outcome === "ok" ? "" : s.outcome === "refused" && s.name === "told" ? "" : "warn"; break;
      case "settled":
        look = { succeeded: "good", failed: "bad", pending: "warn" }[s.outcome] ?? "warn";
        if (["succeeded", "failed", "pending"].includes(s.outcome)) this.state = s.outcome;
        if (this.state !== "pending" && this.said === this.state) return; // the same once more
        if (this.state !== "pending") this.said = this.state;
        break;
      case "notice": if (++c.notice > 1) name = "s.notice.again"; break;
      case "tampered": case "crashed": look = "bad"; break;
      case "arrived": look = "warn"; break;
      case "refused": case "verified": case "duplicate": case "restarted": look = "good"; break;
      case "acknowledged":
        name = s.outcome === "handled" ? (c.hook > this.before ? "s.acknowledged.new" : "s.acknowledged") : "s.acknowledged.no";
        detail = s.outcome === "handled" ? "" : s.outcome;
        break;
      case "hook": if (s.outcome === "ok") { c.hook++; look = "good"; } else look = "bad"; break;
      case "done": name = "s.done"; look = "done"; detail = ""; this.settled = true; break;
      case "answered":
        if (this.answers++ > 0 && this.settled) name = "s.repeated";
        else if (!texts[name]) { name = "s.answered"; detail = s.outcome; }
        break;
    }
    if (s.name === "verified") this.before = c.hook;
    this.steps.push(s);
    const time = el("time", "", "+" + ((at - this.began) / 1000).toFixed(2) + " s");
    time.dateTime = s.at;
    const li = el("li", (look + " new").trim(), el("span", "who " + actors[s.name], t("who." + actors[s.name])), el("span", "says", t(name), ...(detail ? [" ", code(detail)] : [])), time);
    li.dataset.step = s.name;
    this.list.append(li);
    this.draw();
    if (this.root.open && s.name === "done") $("news").textContent = this.verdict.textContent;
  }
  answers = 0; before = 0;

  draw() {
    const c = this.counts, o = orders.find((o) => orderOf(o) === this.order);
    const known = o?.refunds?.[this.number];
    this.sum.textContent = this.amount ?? (known ? yuan(fen(known)) : "");
    this.badge.textContent = t("state." + this.state);
    this.badge.className = "badge " + this.state;
    const cell = (n, name, good) => el("div", good ? "good" : "", el("dt", "", t(name)), el("dd", "", n + t("times")));
    const told = (c.hook === 1 && this.settled);
    this.score.replaceChildren(
      ...(c.moved >= 0 ? [cell(c.moved, "money.moved", this.settled && c.moved === (this.state === "failed" ? 0 : 1))] : []),
      cell(c.hook, "told.once", told), cell(c.sent, "sends"), cell(c.notice, "notices"));
    const wantMoved = this.state === "failed" ? 0 : 1, right = c.hook === 1 && (c.moved < 0 || c.moved === wantMoved);
    this.verdict.hidden = !this.settled;
    this.verdict.className = "verdict " + (right ? "good" : "bad");
    this.verdict.textContent = t(!right ? "v.broken" : this.state === "failed" ? "v.refused" : c.moved < 0 ? "v.holds.real" : "v.holds");
    const tools = [];
    if (this.ask && this.settled) {
      const again = el("button", "small", t("again"));
      again.type = "button";
      again.addEventListener("click", () => ask({ ...this.ask, faults: [] }));
      tools.push(this.again = this.again ?? again);
    }
    if (this.id) {
      const a = el("a", "", t("see"));
      a.href = document.body.dataset.ops + "refunds/" + encodeURIComponent(this.id);
      tools.push(a);
    }
    if (tools.length !== this.tools.childElementCount) this.tools.replaceChildren(...tools);
  }
}

// Steps are drawn one after the other, slowly enough to be seen.
const queue = [];
let drawing = false;
function drawNext() {
  const s = queue.shift();
  if (!s) { drawing = false; return; }
  drawing = true;
  cardOf(s.order, s.number).add(s);
  setTimeout(drawNext, queue.length > 30 || Date.now() - Date.parse(s.at) > 20000 ? 0 : 110);
}

function live(on) {
  $("link").className = on ? "on" : "off";
  $("link").textContent = t(on ? "live.on" : "live.off");
}

const stream = new EventSource("demo/steps");
let run = "";
stream.addEventListener("open", () => live(true));
stream.addEventListener("error", () => live(false));
stream.addEventListener("run", (e) => {
  if (run && run !== e.data) { // the program was started again, and has forgotten
    queue.length = 0;
    for (const card of [...cards.values()]) card.forget();
  }
  run = e.data;
});
stream.addEventListener("step", (e) => {
  queue.push(JSON.parse(e.data));
  if (!drawing) drawNext();
});
stream.addEventListener("orders", (e) => {
  orders = JSON.parse(e.data);
  drawOrders();
  for (const card of cards.values()) card.draw();
});
