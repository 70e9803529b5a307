// The only script of the pages: puts a copy button beside every command. Without it, nothing is missing but the button.
const status = document.createElement("p");
status.setAttribute("role", "status");
status.className = "vh";
document.body.append(status);

for (const box of document.querySelectorAll("[data-copy]")) {
  const code = box.querySelector("code");
  if (!code || !navigator.clipboard) continue;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn small copy";
  button.textContent = box.dataset.copy;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      return;
    }
    button.textContent = status.textContent = box.dataset.copied;
    setTimeout(() => {
      button.textContent = box.dataset.copy;
      status.textContent = "";
    }, 2000);
  });
  box.append(button);
}
