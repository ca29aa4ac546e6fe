// Small conveniences; every page works without them.
"use strict";
(() => {
  // "/" goes to the search field.
  addEventListener("keydown", event => {
    const search = document.querySelector('input[type="search"], input[name="q"]');
    const writing = event.target.closest?.("input, select, textarea, [contenteditable]");
    if (event.key === "/" && search && !writing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
    }
  });

  // Escape closes a menu of choices, and gives the focus back to what opened it.
  addEventListener("keydown", event => {
    const menu = event.key === "Escape" && event.target.closest?.("details.choice[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  // A link that says so is copied; where the browser refuses, it is followed as any link.
  const status = document.createElement("span");
  status.className = "unseen";
  status.setAttribute("role", "status");
  document.body.append(status);
  for (const link of document.querySelectorAll("a.copy[data-copied]")) {
    link.addEventListener("click", async event => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || !navigator.clipboard) return;
      event.preventDefault();
      try {
        await navigator.clipboard.writeText(link.href);
        status.textContent = link.dataset.copied;
        const words = link.textContent;
        link.textContent = link.dataset.copied;
        setTimeout(() => { link.textContent = words; status.textContent = ""; }, 2000);
      } catch {
        location.assign(link.href);
      }
    });
  }

  // A picture is made here from the drawing's file; where that fails, the server's is loaded as any link.
  const picture = async address => {
    const answer = await fetch(address, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(`${answer.status} ${address}`);
    const url = URL.createObjectURL(new Blob([await answer.blob()], { type: "image/svg+xml" }));
    try {
      const image = new Image();
      image.src = url;
      await image.decode();
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [2 * image.naturalWidth, 2 * image.naturalHeight];
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      return await new Promise((done, fail) => canvas.toBlob(blob => (blob ? done(blob) : fail(new Error("no picture"))), "image/png"));
    } finally {
      URL.revokeObjectURL(url);
    }
  };
  for (const link of document.querySelectorAll(".files a")) {
    const address = new URL(link.href);
    if (!/\/figures\/[^/]+\.png$/.test(address.pathname)) continue;
    link.addEventListener("click", async event => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const source = new URL(address);
      source.pathname = source.pathname.replace(/\.png$/, ".svg");
      try {
        const saved = document.createElement("a");
        saved.href = URL.createObjectURL(await picture(source));
        saved.download = address.pathname.split("/").pop();
        saved.click();
        setTimeout(() => URL.revokeObjectURL(saved.href), 10000);
      } catch {
        location.assign(link.href);
      }
    });
  }
})();
