// What is changed about the page of Swagger UI, beside logins: a bar on top, a filter, what opens
// each operation, and a table of samples.

import { h, React, Sentence } from "./elements.js";
import { requirementsOf } from "./schemes.js";
import { Bar } from "./who.js";

/** The part of the plugin that is about the page. */
export function pagePlugin(logins, extras) {
  return (toolbox) => ({
    components: {
      DocsLayout: () => {
        const system = toolbox.getSystem();
        return h(
          React.Fragment,
          null,
          h(Bar, { system, logins, extras }),
          h(system.getComponent("BaseLayout", true)),
        );
      },
    },
    fn: { opsFilter: filterOperations },
    wrapComponents: {
      FilterContainer: () => Filter,
      operations: (Original) => (props) => {
        const system = toolbox.getSystem();
        if (!typing(system) || system.specSelectors.taggedOperations().size) return h(Original, props);
        return h("p", { className: "wrapper", role: "status" }, "No operation has all of these words.");
      },
      OperationSummaryPath: (Original) => (props) => {
        const system = toolbox.getSystem();
        const operation = system.specSelectors.specJson().getIn(props.specPath);
        return h(React.Fragment, null, h(Original, props), operation && h(Badge, { system, operation }));
      },
      // Swagger UI shows it before it has read the operation: pressed then, it would end in an error
      // that nobody sees, and could not be pressed again.
      execute: (Original) => (props) => (props.operation.size ? h(Original, props) : null),
      OperationTag: (Original) => (props) => {
        const samples = props.children && props.tagObj.getIn(["tagDetails", "x-samples"]);
        if (!samples) return h(Original, props);
        const table = h(SamplesTable, { key: "table", system: toolbox.getSystem(), tagObj: props.tagObj });
        return h(Original, props, h("div", null, table, props.children));
      },
    },
    statePlugins: {
      layout: {
        wrapSelectors: {
          // What is filtered for is worth seeing. Some groups are open at first: to open them by an
          // action would write them into the address, over the operation that it may lead to.
          isShown: (original, system) => (_state, thing, otherwise) => {
            const isGroup = thing[0] === "operations-tag";
            if (isGroup && typing(system)) return true;
            return original(thing, otherwise || (isGroup && logins.config.open.includes(thing[1])));
          },
        },
        wrapActions: {
          // Swagger UI would scroll what a deep link leads to below the bar.
          scrollToElement: () => (element) => (element.firstElementChild || element).scrollIntoView(),
        },
      },
      spec: {
        wrapActions: {
          setResponse: (original) => (path, method, response) => {
            const result = original(path, method, response);
            requestAnimationFrame(() => showAnswer(path, method));
            return result;
          },
        },
      },
    },
  });
}

const typing = ({ layoutSelectors }) => {
  const filter = layoutSelectors.currentFilter();
  return typeof filter === "string" ? filter : "";
};

/** The operations whose group, method, path, name or scopes have every word of `phrase`. */
function filterOperations(taggedOperations, phrase) {
  const words = String(phrase).toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (tag) => (each) => {
    const operation = each.get("operation");
    const security = JSON.stringify(operation.get("security") || "");
    const named = ["summary", "operationId"].map((name) => operation.get(name));
    const text = [tag, each.get("method"), each.get("path"), ...named, security].join(" ");
    return words.every((word) => text.toLowerCase().includes(word));
  };
  return taggedOperations
    .map((group, tag) => group.set("operations", group.get("operations").filter(matches(tag))))
    .filter((group) => group.get("operations").size);
}

function Filter({ layoutSelectors, layoutActions }) {
  return h(
    "search",
    { className: "wrapper lk-filter" },
    h("input", {
      type: "search",
      "aria-label": "Filter the operations",
      placeholder: "Filter by path, name or scope",
      value: typing({ layoutSelectors }),
      onChange: (event) => layoutActions.updateFilter(event.target.value || true),
    }),
  );
}

function openedBy(system, operation) {
  const told = operation.get("x-opened-by");
  if (told) return told.toJS();
  const requirements = requirementsOf(system, operation);
  if (!requirements.length) return ["anyone"];
  return requirements.map((each) =>
    Object.entries(each)
      .map(([name, scopes]) => [name, ...scopes].join(" "))
      .join(" and ") || "anyone",
  );
}

/** What opens an operation, on the line that names it. */
function Badge({ system, operation }) {
  const openers = openedBy(system, operation);
  const open = openers.includes("anyone");
  const short = openers.map((each) => each.split(" ").slice(1).join(" ") || each);
  const text = short.length > 2 ? `${short.length} ways` : short.join(" or ");
  const title = `Opened by ${openers.join(" or ")}`;
  return h("span", { className: open ? "lk-badge lk-anyone" : "lk-badge", title }, text);
}

const COLUMNS = ["Sample", "What it shows", "Opened by"];

function SamplesTable({ system, tagObj }) {
  const rows = tagObj.get("operations").toArray();
  const row = (each) => {
    const operation = each.get("operation");
    return h(
      "tr",
      { key: each.get("id") },
      h("th", { scope: "row" }, operation.get("summary")),
      h("td", null, h(Sentence, { text: operation.get("description", "").split("\n")[0] })),
      h("td", null, openedBy(system, operation).join(" or ")),
    );
  };
  return h(
    "div",
    { className: "lk-table lk-samples", tabIndex: 0, role: "region", "aria-label": "What the samples show" },
    h(
      "table",
      null,
      h("caption", null, "What the samples show"),
      h("thead", null, h("tr", null, COLUMNS.map((name) => h("th", { key: name, scope: "col" }, name)))),
      h("tbody", null, rows.map(row)),
    ),
  );
}

/** An answer that came below the edge of the window is moved into view. */
function showAnswer(path, method) {
  const name = [...document.querySelectorAll(`.opblock-${method} [data-path]`)].find(
    (element) => element.dataset.path === path,
  );
  const answer = name?.closest(".opblock").querySelector(".live-responses-table");
  answer?.scrollIntoView({ block: "nearest" });
}
