// Starts a worker that is bound to the page's content security policy.

/**
 * A worker has the policy of the answer that brings its script, and static hosts send none; one
 * that is made here has the page's. From the second visit on the service worker adds it.
 * @param {URL} address Of the script, a module.
 */
export function startWorker(address) {
  if (navigator.serviceWorker?.controller) return new Worker(address, { type: "module" });
  const script = new Blob([`import ${JSON.stringify(address.href)};`], { type: "text/javascript" });
  const made = URL.createObjectURL(script);
  const worker = new Worker(made, { type: "module" });
  // The address must last until the script is read, and the first message says that it was.
  worker.addEventListener("message", () => URL.revokeObjectURL(made), { once: true });
  return worker;
}
