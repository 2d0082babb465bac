// Passkeys: a form hands the device what it is to sign, and sends what it answers. Without this, password and code are the way.
const form = document.querySelector("form[data-passkey]");
const known = window.PublicKeyCredential?.parseRequestOptionsFromJSON && window.PublicKeyCredential.prototype.toJSON;

const asked = async (kind) => {
  if (kind === "create") {
    const options = JSON.parse(form.dataset.options);
    return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) });
  }
  const answer = await fetch("/sign-in/challenge", { method: "POST", body: new URLSearchParams() });
  if (!answer.ok) throw new Error();
  return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(await answer.json()) });
};

const words = (error) => {
  if (error.name === "InvalidStateError") return "This device has a passkey of yours already.";
  if (error.name === "NotAllowedError") return "No passkey was used. Try again.";
  return "This did not work. Load the page again.";
};

if (form && known && location.origin === form.dataset.origin) {
  form.hidden = false;
  document.querySelectorAll("[data-passkey-without]").forEach((each) => each.remove());
  const said = form.querySelector("[data-passkey-said]");
  if (said) {
    let waits = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (waits) return;
      waits = true;
      said.textContent = "";
      try {
        form.elements.credential.value = JSON.stringify((await asked(form.dataset.passkey)).toJSON());
        form.submit();
      } catch (error) {
        said.textContent = words(error);
      } finally {
        waits = false;
      }
    });
  }
}
