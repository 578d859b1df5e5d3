/**
 * The page: what it shows is what it was told, in the order of `event`. It holds no Kafka and no library: the events of a
 * feed are made to be that simple.
 */
export const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Feature flags</title>
    <style>
      body { font: 16px system-ui; max-width: 30em; margin: 2em auto; }
      li { list-style: none; margin: 0.4em 0; }
      #state { color: gray; }
    </style>
  </head>
  <body>
    <h1>Feature flags</h1>
    <p id="state">connecting</p>
    <ul id="flags"></ul>
    <form><input name="flag" required placeholder="a new flag" /> <button>add</button></form>
    <script type="module">
      const flags = new Map()
      const state = document.querySelector("#state")
      const list = document.querySelector("#flags")
      const request = (method, flag, body) =>
        fetch("/flags/" + encodeURIComponent(flag), {
          method,
          ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } })
        })

      const row = ([flag, { enabled }]) => {
        const item = document.createElement("li")
        const label = document.createElement("label")
        const box = document.createElement("input")
        const gone = document.createElement("button")
        box.type = "checkbox"
        box.checked = enabled
        box.name = flag
        box.onchange = () => request("PUT", flag, { enabled: box.checked })
        gone.textContent = "delete"
        gone.onclick = () => request("DELETE", flag)
        label.append(box, " " + flag + " ")
        item.append(label, gone)
        return item
      }

      const show = () => {
        state.textContent = "live"
        list.replaceChildren(...[...flags].sort(([a], [b]) => (a < b ? -1 : 1)).map(row))
      }

      // When it is cut off, the browser connects again by itself, and says how far it was.
      const source = new EventSource("/flags/events")
      const on = (event, f) => source.addEventListener(event, ({ data }) => f(JSON.parse(data)))
      on("Reset", () => flags.clear())
      on("Entries", ({ entries }) => entries.forEach(({ key, value }) => flags.set(key, value)))
      on("Changes", ({ changes }) => {
        for (const { _tag, key, value } of changes) _tag === "Upsert" ? flags.set(key, value) : flags.delete(key)
      })
      on("Live", show)
      source.onerror = () => (state.textContent = "cut off")

      document.querySelector("form").onsubmit = (event) => {
        event.preventDefault()
        request("PUT", event.target.flag.value, { enabled: false })
        event.target.reset()
      }
    </script>
  </body>
</html>
`
