// Swagger UI normalises the whole document each time that an operation is opened, which takes it a
// second. Where every reference stays within the document, following those of the operation does.

/** Swagger UI's `resolveSubtree`, which is asked only for what this cannot follow. */
export const followingReferences = (original) => async (document, path, options) => {
  try {
    const subtree = path.reduce((parent, key) => parent[key], document);
    return { spec: new References(document, options.baseDoc).follow(subtree), errors: [] };
  } catch {
    return original(document, path, options); // it also tells what is wrong with a reference
  }
};

class References {
  constructor(document, address) {
    if (!document.openapi.startsWith("3.1.")) throw new Error("Another version has other rules.");
    this.document = document;
    this.address = address;
    this.followed = new Map();
  }

  /** A copy of `value` in which what is referred to stands in the place of each reference. */
  follow(value) {
    if (Array.isArray(value)) return value.map((each) => this.follow(each));
    if (value === null || typeof value !== "object") return value;
    const { $ref, $id, $dynamicRef, allOf } = value;
    if (typeof $id === "string" || $dynamicRef || Array.isArray(allOf)) {
      throw new Error("This is more than a reference.");
    }
    const copy = {};
    if (typeof $ref === "string") Object.assign(copy, this.target($ref), { $$ref: this.address + $ref });
    for (const [key, each] of Object.entries(value)) {
      if (key !== "$ref" || typeof each !== "string") copy[key] = this.follow(each);
    }
    return copy;
  }

  /** What a JSON Pointer leads to (RFC 6901, section 6). */
  target(pointer) {
    if (!this.followed.has(pointer)) {
      if (!pointer.startsWith("#/")) throw new Error(`${pointer} is in another document.`);
      this.followed.set(pointer, null);
      const names = pointer.slice(2).split("/").map((name) => decodeURIComponent(name));
      const keys = names.map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
      const found = keys.reduce((parent, key) => parent?.[key], this.document);
      this.followed.set(pointer, found && this.follow(found));
    }
    const target = this.followed.get(pointer);
    if (!target) throw new Error(`${pointer} leads nowhere, or in a circle.`);
    return target;
  }
}
