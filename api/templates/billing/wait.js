// Polls the state of the purchase. When it changes, redirects to T-Bank's payment form or reloads the page.
const wait = document.getElementById('wait');
let pause = 600;
const look = async () => {
  try {
    const answer = await fetch(wait.dataset.ask, { credentials: 'same-origin', cache: 'no-store' });
    if (answer.ok) {
      const state = await answer.json();
      if (state.form && wait.dataset.follow) return location.replace(state.form);
      if (state.progress !== wait.dataset.progress) return location.reload();
    } else if (answer.status === 401) {
      return location.reload();
    }
  } catch {
    // Network error: retry.
  }
  pause = Math.min(pause * 1.3, 5000);
  setTimeout(look, pause);
};
setTimeout(look, pause);
