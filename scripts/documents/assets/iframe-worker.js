// The search of the theme runs in a worker, which browsers refuse to a page that was opened as a file. There it
// runs in a frame of the page instead. Elsewhere this does nothing.
if (location.protocol === "file:") {
  // The search asks for the second name, to know that its own address is that of the first script of the frame.
  window.Worker = window.IFrameWorker = class extends EventTarget {
    constructor(address) {
      super();
      this.onmessage = null;
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      const inside = (this.inside = frame.contentWindow);
      const own = new URL(address, document.baseURI);
      const told = [];
      this.tell = (message) => told.push(message);
      inside.postMessage = (data) => {
        const event = new MessageEvent("message", { data });
        this.dispatchEvent(event);
        this.onmessage?.(event);
      };
      const load = (source) =>
        new Promise((resolve, reject) => {
          const script = inside.document.createElement("script");
          script.src = new URL(source, own);
          script.onload = resolve;
          script.onerror = () => reject(new Error(`cannot load ${source}`));
          inside.document.head.append(script);
        });
      inside.importScripts = (...sources) =>
        sources.reduce((before, source) => before.then(() => load(source)), Promise.resolve());
      load(own).then(() => {
        this.tell = (message) => inside.dispatchEvent(new MessageEvent("message", { data: message }));
        told.forEach((message) => this.tell(message));
      });
    }
    postMessage(message) {
      this.tell(message);
    }
    terminate() {
      this.inside.frameElement?.remove();
    }
  };
}
