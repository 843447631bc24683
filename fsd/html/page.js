// Values under the pointer, for every chart of the page. Without this script the page shows everything else.
"use strict";
for (const figure of document.querySelectorAll("[data-chart]")) {
  const chart = JSON.parse(figure.dataset.chart);
  const area = figure.querySelector(".area");
  const cursor = figure.querySelector(".cursor");
  const tip = figure.querySelector(".tip");
  const span = chart.high - chart.low;
  const show = (event) => {
    const box = area.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    const at = chart.low + share * span;
    let low = 0, high = chart.x.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (chart.x[middle] <= at) low = middle; else high = middle;
    }
    const nearest = at - chart.x[low] < chart.x[high] - at ? low : high;
    const left = ((chart.x[nearest] - chart.low) / span) * 100;
    const lines = chart.lines.map((line) => {
      const value = line.values[nearest];
      return `${line.name}  ${value === null ? "–" : `${value} ${chart.unit}`}`;
    });
    tip.textContent = [`${chart.xName}: ${+chart.x[nearest].toFixed(2)}`, ...lines].join("\n");
    cursor.style.display = tip.style.display = "block";
    cursor.style.left = `${left}%`;
    tip.style.left = left < 55 ? `calc(${left}% + 10px)` : "auto";
    tip.style.right = left < 55 ? "auto" : `calc(${100 - left}% + 10px)`;
  };
  const hide = () => { cursor.style.display = tip.style.display = "none"; };
  area.addEventListener("pointermove", show);
  area.addEventListener("pointerdown", show);
  area.addEventListener("pointerleave", hide);
}
// Escape closes an enlarged picture; the arrow keys show the one before or after it.
document.addEventListener("keydown", (event) => {
  const open = document.querySelector(".cell :target");
  if (!open) return;
  const links = open.querySelectorAll(".turn");
  if (event.key === "Escape") location.hash = "#gallery";
  if (event.key === "ArrowLeft") location.hash = links[0].hash;
  if (event.key === "ArrowRight") location.hash = links[1].hash;
});
// The drive: video, slider, bird's-eye view, values, and every chart over time move together.
const player = document.getElementById("player");
if (player) {
  const film = JSON.parse(player.dataset.film);
  const [video, slider, button] = ["video", "input", "button"].map((name) => player.querySelector(name));
  const images = film.row.length;
  const heads = [...document.querySelectorAll(".area[data-from]")].map((area) => {
    const head = area.appendChild(document.createElement("span"));
    head.className = "playhead";
    area.classList.add("seeks");
    return { area, head, from: parseFloat(area.dataset.from), to: parseFloat(area.dataset.to) };
  });
  let shown = -1;
  const path = (name, points) => {
    let line = points ? "M0 0" : "";
    for (let at = 0; points && at < points.length; at += 2) line += `L${-points[at] / 10} ${-points[at + 1] / 10}`;
    player.querySelector(`.${name}`)?.setAttribute("d", line);
  };
  const show = (image) => {
    if (image === shown) return;
    shown = image;
    slider.value = image;
    path("plan", film.plan[image]);
    path("driven", film.driven && film.driven[image]);
    for (const cell of player.querySelectorAll("[data-key]")) cell.textContent = film[cell.dataset.key][image];
    player.querySelectorAll(".cameras span").forEach((camera, bit) =>
      camera.classList.toggle("on", Boolean(film.keyframes[image] >> bit & 1)));
    for (const { head, from, to } of heads) {
      head.style.left = `${Math.min(100, Math.max(0, (film.seconds[image] - from) / (to - from) * 100))}%`;
    }
  };
  const imageAt = (row) => {
    let low = 0, high = images - 1;
    while (low < high) { const middle = (low + high + 1) >> 1; if (film.row[middle] <= row) low = middle; else high = middle - 1; }
    return low;
  };
  const follow = () => show(imageAt(video.currentTime * 36 + 0.25));
  const seek = (image) => { video.currentTime = (film.row[image] + 0.5) / 36; show(image); };
  const animate = () => { follow(); if (!video.paused && !video.ended) requestAnimationFrame(animate); };
  video.removeAttribute("controls");
  player.querySelector(".controls").hidden = false;
  slider.max = images - 1;
  slider.addEventListener("input", () => { video.pause(); seek(Number(slider.value)); });
  const toggle = () => (video.paused ? video.play().catch(() => {}) : video.pause());
  button.addEventListener("click", toggle);
  video.addEventListener("click", toggle);
  video.addEventListener("play", () => { button.textContent = "Pause"; animate(); });
  for (const name of ["pause", "ended"]) video.addEventListener(name, () => { button.textContent = "Play"; });
  video.addEventListener("seeked", follow);
  const miss = () => { video.hidden = button.hidden = true; player.querySelector(":scope > .caption").hidden = false; };
  video.addEventListener("error", miss);
  if (video.error) miss();
  for (const { area, from, to } of heads) {
    area.addEventListener("click", (event) => {
      if (event.target.closest("a")) return;
      const box = area.getBoundingClientRect();
      const at = from + (event.clientX - box.left) / box.width * (to - from);
      let best = 0;
      film.seconds.forEach((value, image) => { if (Math.abs(value - at) < Math.abs(film.seconds[best] - at)) best = image; });
      seek(best);
    });
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    const row = link && (link.hash.startsWith("#drive-event-") ? document.getElementById(link.hash.slice(1)) : link);
    if (!row || !row.dataset.seek) return;
    event.preventDefault();
    seek(imageAt(Number(row.dataset.seek)));
    player.scrollIntoView({ block: "nearest" });
  });
  show(0);
}
