// Takes the ticket out of the address (the part after # is never sent to a server), logs in with it and opens the page.
"use strict";

(async () => {
  const said = document.getElementById("said");
  const ticket = location.hash.slice(1);
  if (!ticket) return;
  history.replaceState(null, "", "/login");
  try {
    const answer = await fetch("/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ticket }),
    });
    if (answer.ok) {
      location.replace("/");
      return;
    }
    const problem = await answer.json();
    said.textContent = `Not logged in: ${problem.error}. Run again`;
  } catch {
    said.textContent = "The host cannot be reached. If it should be, run again";
  }
})();
