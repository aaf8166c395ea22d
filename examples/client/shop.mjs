// A customer of a running `xcat serve`, in JavaScript: `node examples/client/shop.mjs http://127.0.0.1:8000 ITEM`.
const [url, item] = process.argv.slice(2);
const key = process.env.XCAT_API_KEY; // in a browser, your own server asks, and has the key
const headers = { "content-type": "application/json", ...(key && { "x-api-key": key }) };
const BUSY = [429, 502, 503, 504];

/** Posts a body; sends it again when the service is busy or gone, after the seconds of Retry-After at least. */
async function post(path, body, retries = 4) {
  for (let attempt = 0; ; attempt++) {
    let answer = null;
    try {
      answer = await fetch(url + path, {
        method: "POST",
        headers,
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(10_000),
      });
    } catch (error) {
      if (attempt === retries) throw error;
    }
    if (answer?.ok) return answer.json();
    if (answer && (!BUSY.includes(answer.status) || attempt === retries)) {
      throw new Error(`status ${answer.status}: ${(await answer.json()).error}`);
    }
    const asked = Number(answer?.headers.get("retry-after") ?? 0);
    const pause = Math.max(asked, 0.25 * 2 ** attempt * (0.5 + Math.random() / 2));
    await new Promise((resolve) => setTimeout(resolve, 1000 * pause));
  }
}

/** An event with an id, so that the service stores it once even if it is sent twice. */
const addEvent = (event) => post("/events", { event_id: crypto.randomUUID(), ...event });

await addEvent({ user_id: "ben", item_id: item });
const shown = await post("/recommend", { user_id: "ben", k: 3 });
shown.recommendations.forEach((found, place) => console.log(`${place + 1}. ${found.title}`));
const first = shown.recommendations[0].item_id;
await addEvent({ user_id: "ben", item_id: first, event_type: "click", impression_id: shown.impression_id });
const next = await post("/recommend", { user_id: "ben", k: 3 });
console.log("next:", next.recommendations.map((found) => found.item_id).join(" "));
await fetch(`${url}/users/ben`, { method: "DELETE", headers });
