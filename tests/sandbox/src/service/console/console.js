// Shows what happens without a reload. Everything else on the page works without this script.
const INTERVAL_MS = 1000;
const MAX_ENTRIES = 200;
const entries = document.getElementById('entries');
const now = document.getElementById('now');

async function refresh() {
  const newest = entries.firstElementChild ? entries.firstElementChild.dataset.seq : '0';
  try {
    const answer = await fetch(`/_sandbox/console/deliveries?after=${newest}`, { cache: 'no-store' });
    if (answer.ok) {
      const told = await answer.json();
      if (told.now) now.textContent = told.now;
      // Escaped by the server.
      if (told.html) entries.insertAdjacentHTML('afterbegin', told.html);
      while (entries.children.length > MAX_ENTRIES) entries.lastElementChild.remove();
    }
  } catch {
    // The sandbox has stopped; the next look tells.
  }
  setTimeout(refresh, INTERVAL_MS);
}

setTimeout(refresh, INTERVAL_MS);
