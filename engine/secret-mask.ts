import { Marker, Secret } from "./values";
import type { Value } from "./values";

// Shorter ones ("1", "no") would turn every line into asterisks and tell more than they hide.
const MIN_LENGTH = 3;
const MASK = "[secret]";

/** Replaces the text of every secret the engine has met, wherever it turns up in a text for people. */
export class SecretMask {
  private readonly texts = new Set<string>();
  private pattern: RegExp | undefined;

  /** Adds a secret's text, each line of it (commands print keys line by line), and its form inside JSON. */
  add(text: string): void {
    for (const part of [text, ...text.split("\n"), JSON.stringify(text).slice(1, -1)]) {
      const trimmed = part.trim();
      if (trimmed.length < MIN_LENGTH || this.texts.has(trimmed)) continue;
      this.texts.add(trimmed);
      this.pattern = undefined;
    }
  }

  /** Adds every string inside the `Secret` markers of a value. */
  learn(value: Value | undefined, inSecret = false): void {
    if (typeof value === "string") {
      if (inSecret) this.add(value);
    } else if (value instanceof Secret) this.learn(value.value, true);
    else if (typeof value !== "object" || value === null || value instanceof Marker) return;
    else if (Array.isArray(value)) for (const item of value) this.learn(item, inSecret);
    else for (const key in value) this.learn(value[key], inSecret);
  }

  apply(text: string): string {
    if (this.texts.size === 0) return text;
    if (this.pattern === undefined) {
      const longestFirst = [...this.texts].sort((a, b) => b.length - a.length);
      this.pattern = new RegExp(longestFirst.map((secret) => secret.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "g");
    }
    return text.replace(this.pattern, MASK);
  }
}
