// Selects that choose what is shown do so at once; without scripts the button beside them does.
for (const select of document.querySelectorAll("select[data-submit]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
