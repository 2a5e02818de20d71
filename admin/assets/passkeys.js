// Forms with `data-passkey` ask the browser for a passkey before they are sent. They stay hidden without this file, and in
// browsers that have no passkeys.
"use strict";
(() => {
  if (window.PublicKeyCredential === undefined || navigator.credentials === undefined) return;

  const bytes = (text) => {
    const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(plain, (sign) => sign.charCodeAt(0));
  };
  const text = (buffer) => {
    const plain = String.fromCharCode(...new Uint8Array(buffer));
    return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  };
  const described = (list) => (list ?? []).map((item) => ({ ...item, id: bytes(item.id) }));
  const answered = ({ id, rawId, type }, response) => ({ id, rawId: text(rawId), type, response });

  const asks = {
    create: async (options) => {
      const made = await navigator.credentials.create({ publicKey: {
        ...options,
        challenge: bytes(options.challenge),
        user: { ...options.user, id: bytes(options.user.id) },
        excludeCredentials: described(options.excludeCredentials),
      } });
      return answered(made, {
        attestationObject: text(made.response.attestationObject),
        clientDataJSON: text(made.response.clientDataJSON),
      });
    },
    get: async (options) => {
      const used = await navigator.credentials.get({ publicKey: {
        ...options,
        challenge: bytes(options.challenge),
        allowCredentials: described(options.allowCredentials),
      } });
      return answered(used, {
        authenticatorData: text(used.response.authenticatorData),
        clientDataJSON: text(used.response.clientDataJSON),
        signature: text(used.response.signature),
        userHandle: used.response.userHandle ? text(used.response.userHandle) : null,
      });
    },
  };

  const reasons = {
    InvalidStateError: "На этом устройстве уже есть ваш ключ доступа.",
    NotAllowedError: "Браузер не получил подтверждения. Попробуйте ещё раз или введите код.",
    SecurityError: "Откройте панель по её обычному адресу: ключи доступа действуют только на нём.",
  };

  // Without an answer, the server says what to do: sign in again, confirm the second factor, wait.
  const send = (form) => HTMLFormElement.prototype.submit.call(form);

  const challengeOf = async (form) => {
    const csrf = form.querySelector("input[name=csrf]").value;
    const answer = await fetch(form.dataset.challenge, { method: "POST", body: new URLSearchParams({ csrf }) });
    const isChallenge = answer.ok && (answer.headers.get("content-type") ?? "").startsWith("application/json");
    return isChallenge ? (await answer.json()).publicKey : null;
  };

  const askFor = async (form) => {
    const challenge = await challengeOf(form);
    if (challenge !== null) {
      const answer = await asks[form.dataset.passkey](challenge);
      form.querySelector("[data-answer]").value = JSON.stringify(answer);
    }
    send(form);
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (asks[form.dataset.passkey] === undefined) return;
    event.preventDefault();
    const [button, error] = [form.querySelector("button"), form.querySelector(".error")];
    button.disabled = true;
    error.hidden = true;
    try {
      await askFor(form);
    } catch (failure) {
      error.textContent = reasons[failure.name] ?? `Ключ доступа не сработал: ${failure.message}`;
      error.hidden = false;
      button.disabled = false;
    }
  });

  const show = () => document.querySelectorAll("form[data-passkey]").forEach((form) => {
    form.hidden = false;
    const folded = form.closest("details[hidden]");
    if (folded !== null) folded.hidden = false;
  });
  document.addEventListener("htmx:load", show);
  show();
})();
