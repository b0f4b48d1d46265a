// Search in a site that is read from a folder on disk. Browsers start no worker from there, so a
// hidden frame runs the worker's script and messages are handed over. Elsewhere this does nothing.
if (location.protocol === "file:") {
  // As a worker gets and gives messages: later, and as copies.
  const deliver = (data, receive) => setTimeout(receive, 0, structuredClone(data))

  window.Worker = class {
    constructor(url) {
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      this.frame.answer = data => deliver(data, copy => this.onmessage?.({ data: copy }))
      this.frame.srcdoc =
        "<script>postMessage = data => frameElement.answer(data)<\/script>" +
        `<script src="${url}"><\/script>`
      this.ready = new Promise(resolve => this.frame.addEventListener("load", resolve))
      document.documentElement.append(this.frame)
    }

    postMessage(data) {
      this.ready.then(() =>
        deliver(data, copy => {
          const inside = this.frame.contentWindow
          inside?.dispatchEvent(new inside.MessageEvent("message", { data: copy }))
        })
      )
    }

    terminate() {
      this.frame.remove()
    }
  }
}
