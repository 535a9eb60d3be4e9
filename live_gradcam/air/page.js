// Follows the records of what is shown: the label under the picture is that of the newest one.
const label = document.getElementById("label");
const events = new EventSource("events");
events.onmessage = (event) => {
  const best = JSON.parse(event.data).predictions[0];
  if (!best) return;
  const sure = best.probability === null ? best.logit.toPrecision(3)
    : `${Math.round(100 * best.probability)} %`;
  label.textContent = `${best.label} ${sure}`;
};
events.onerror = () => { label.textContent = "The picture has ended, or the connection is lost"; };

// Where the picture goes and who watches, as the window says it.
const places = document.getElementById("places");
const list = async () => {
  const status = await (await fetch("status.json")).json();
  const followers = `${status.following} following the records`;
  places.replaceChildren(...[...status.on_air, followers].map((line) => {
    const item = document.createElement("li");
    item.textContent = line;
    return item;
  }));
};
const keepListing = () => { list().catch(() => { places.replaceChildren(); }); };
keepListing();
setInterval(keepListing, 2000);
