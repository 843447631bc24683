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
// Events of the drive move the video beside the page; its position shows on the band of driving modes.
const video = document.getElementById("drive-video");
if (video) {
  const anchors = JSON.parse(video.dataset.anchors);
  const band = video.parentElement.querySelector(".chart .area");
  const length = parseFloat(band.dataset.high);
  const playhead = band.appendChild(document.createElement("span"));
  playhead.className = "playhead";
  const move = () => {
    let at = anchors[0];
    for (const anchor of anchors) if (anchor[0] <= video.currentTime + 1e-3) at = anchor;
    playhead.style.left = `${Math.min(100, ((at[1] + Math.min(video.currentTime - at[0], at[2])) / length) * 100)}%`;
  };
  const seek = (seconds) => {
    video.currentTime = seconds;
    video.scrollIntoView({ block: "nearest" });
  };
  video.addEventListener("timeupdate", move);
  video.addEventListener("seeking", move);
  const miss = () => {
    video.hidden = playhead.hidden = true;
    document.getElementById("drive-video-missing").hidden = false;
    for (const link of document.querySelectorAll(".events a")) link.removeAttribute("href");
  };
  video.addEventListener("error", miss);
  if (video.error) miss();
  move();
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || video.hidden) return;
    const row = link.hash.startsWith("#drive-event-") ? document.getElementById(link.hash.slice(1)) : link;
    const seconds = row && row.dataset.seek;
    if (!seconds) return;
    event.preventDefault();
    seek(parseFloat(seconds));
  });
  band.addEventListener("click", (event) => {
    if (event.target.closest("a")) return;
    const box = band.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * length;
    const found = anchors.find((anchor) => at >= anchor[1] && at <= anchor[1] + anchor[2]);
    if (found) seek(found[0] + at - found[1]);
  });
}
