"use strict";

const form = document.getElementById("upload");
const bar = document.getElementById("progress");
const status = document.getElementById("status");

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.upload.addEventListener("progress", (moment) => {
    if (moment.lengthComputable) bar.value = moment.loaded / moment.total;
  });
  request.addEventListener("load", () => {
    if (request.status !== 201) return failed(request.responseText);
    status.textContent = "Stored.";
    location.reload();
  });
  request.addEventListener("error", () => failed("The server can't be reached."));
  bar.value = 0;
  bar.hidden = false;
  status.textContent = "Uploading…";
  request.send(new FormData(form));
});

function failed(text) {
  bar.hidden = true;
  let detail = text;
  try { detail = JSON.parse(text).detail || JSON.parse(text).title; } catch { /* not JSON: show the text */ }
  status.textContent = `The upload failed: ${detail}`;
}

// Fetches a file again until the task has read it.
async function watch(row) {
  let answer;
  try {
    answer = await fetch(row.dataset.url, { headers: { Accept: "application/json" } });
  } catch {
    return setTimeout(watch, 2000, row); // the server is away, probably for a short time
  }
  if (answer.status === 404) return row.remove();
  if (answer.ok) {
    const file = await answer.json();
    row.dataset.state = file.state;
    row.querySelector(".state").textContent = file.state;
    row.querySelector(".size").textContent = file.size;
    row.querySelector(".lines").textContent = file.lines ?? "";
    row.querySelector(".sha256 code").textContent = file.sha256 ?? "";
    if (file.state !== "stored") return;
  }
  setTimeout(watch, 500, row);
}

document.querySelectorAll('tr[data-state="stored"]').forEach(watch);
