import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decode, encode, maskedSecrets, policySecrets, wireSecrets } from "../../engine/encoding";
import { detailedDiff, ignoreChanges, parsePath } from "../../engine/paths";
import { SecretMask } from "../../engine/secret-mask";
import { SIGNATURE, UNKNOWN_TEXT } from "../../engine/signatures";
import {
  Archive, Asset, containsSecret, containsUnknown, ResourceReference, revealSecrets, sameValue, SEALED, Secret, UNKNOWN,
} from "../../engine/values";
import type { PropertyMap, Value } from "../../engine/values";
import { marshal, unmarshal } from "../../engine/wire";

const key = fc.string({ minLength: 1 }).filter((name) => name !== SIGNATURE && name !== "__proto__");
const text = fc.string().filter((value) => value !== UNKNOWN_TEXT);
const hash = fc.stringMatching(/^[0-9a-f]{64}$/);
const { tree: value } = fc.letrec<{ tree: Value }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
    text,
    fc.constant(UNKNOWN),
    fc.tuple(hash, text.filter((t) => t !== "")).map(([h, path]) => new Asset(h, { path })),
    fc.tuple(hash, text).map(([h, content]) => new Asset(h, { text: content })),
    fc.tuple(hash, text.filter((t) => t !== "")).map(([h, path]) => new Archive(h, { path })),
    fc.tuple(text, fc.option(text.filter((t) => t !== ""), { nil: undefined })).map(([urn, id]) => new ResourceReference(urn, id, "1.0.0")),
    tie("tree").map((inner) => (inner instanceof Secret ? inner : new Secret(inner))),
    fc.array(tie("tree"), { maxLength: 3 }),
    fc.dictionary(key, tie("tree"), { maxKeys: 3, noNullPrototype: true }),
  ),
}));
const map: fc.Arbitrary<PropertyMap> = fc.dictionary(key, value, { maxKeys: 4, noNullPrototype: true });

describe("values", () => {
  it("come back from the wire as they were sent", () => {
    fc.assert(fc.property(map, (sent) => {
      expect(unmarshal(marshal(sent))).toEqual(sent);
    }));
  });

  it("are the same as themselves, unless something in them is unknown", () => {
    fc.assert(fc.property(value, value, (one, other) => {
      expect(sameValue(one, decode(encode(one, wireSecrets), wireSecrets))).toBe(!containsUnknown(one));
      expect(sameValue(one, other)).toBe(sameValue(other, one));
    }));
  });

  it("lose their secrets when revealed, and nothing else", () => {
    fc.assert(fc.property(value, (one) => {
      expect(containsSecret(revealSecrets(one))).toBe(false);
      expect(containsUnknown(revealSecrets(one))).toBe(containsUnknown(one));
    }));
  });

  it("never show a secret in events", () => {
    fc.assert(fc.property(fc.stringMatching(/^[a-z]{12}$/), map, (hidden, around) => {
      const shown = JSON.stringify(encode({ ...around, password: new Secret([{ deep: hidden }]) }, maskedSecrets));
      expect(shown).not.toContain(hidden);
      expect(shown).toContain("[secret]");
    }));
  });

  it("reach policies with references to resources as their id or URN", () => {
    expect(encode([new ResourceReference("urn:a", "id-1", ""), new ResourceReference("urn:b", undefined, "")], policySecrets)).toEqual(["id-1", "urn:b"]);
  });

  it("take an output as its value, an unknown one as unknown, a secret one as secret", () => {
    const output = (fields: Record<string, string | boolean>): Value => decode({ [SIGNATURE]: "d0e6a833031e9bbcd3f4e8bde6ca49a4", ...fields }, wireSecrets);
    expect(output({ value: "x" })).toBe("x");
    expect(output({})).toBe(UNKNOWN);
    expect(output({ value: "x", secret: true })).toEqual(new Secret("x"));
  });

  it("are not guessed when their signature is unknown", () => {
    expect(() => decode({ [SIGNATURE]: "never-seen" }, wireSecrets)).toThrow("never-seen");
  });

  it("a sealed secret is the same as every secret, and as nothing else", () => {
    expect(sameValue(SEALED, new Secret("x"))).toBe(true);
    expect(sameValue(SEALED, "x")).toBe(false);
    expect(sameValue(new Secret("x"), new Secret("y"))).toBe(false);
  });
});

describe("property paths", () => {
  it("are read in all of Pulumi's forms", () => {
    expect(parsePath('a.b[0]["c.d"][*].*')).toEqual(["a", "b", 0, "c.d", "*", "*"]);
    expect(() => parsePath("a[")).toThrow("no property path");
  });

  it("ignoring every change gives the old inputs; ignoring none the new ones", () => {
    fc.assert(fc.property(map, map, (olds, news) => {
      const keys = [...new Set([...Object.keys(olds), ...Object.keys(news)])];
      expect(ignoreChanges(news, olds, keys.map((name) => `[${JSON.stringify(name)}]`)).inputs).toEqual(olds);
      expect(ignoreChanges(news, olds, []).inputs).toEqual(news);
    }));
  });

  it("take no inherited property for one that is there", () => {
    const news = { toString: "a", constructor: { valueOf: 1 } };
    expect(ignoreChanges(news, {}, ["toString", "constructor"]).inputs).toEqual({});
    expect([...detailedDiff({}, news).keys()]).toEqual(["constructor", "toString"]);
    expect(sameValue({ toString: "a" }, { valueOf: "a" })).toBe(false);
  });

  it("inside a secret keep it secret", () => {
    const { inputs } = ignoreChanges({ a: new Secret({ b: 2, c: 2 }) }, { a: new Secret({ b: 1, c: 1 }) }, ["a.b"]);
    expect(inputs).toEqual({ a: new Secret({ b: 1, c: 2 }) });
  });

  it("name every difference and none that is not there", () => {
    fc.assert(fc.property(map, (one) => {
      expect([...detailedDiff(one, one)].length > 0).toBe(containsUnknown(one));
    }));
    expect([...detailedDiff({ a: { b: [1, 2] } }, { a: { b: [1], "c-d": 3 } })]).toEqual([
      ["a.b[1]", { diffKind: "delete", inputDiff: false }],
      ['a["c-d"]', { diffKind: "add", inputDiff: false }],
    ]);
  });
});

describe("the secret mask", () => {
  it("hides a secret, each of its lines, and its form in JSON", () => {
    const mask = new SecretMask();
    mask.learn({ key: new Secret({ pem: 'line "one"\nline two' }), plain: "visible" });
    expect(mask.apply('got line two and {"k":"line \\"one\\"\\nline two"}; visible')).toBe('got [secret] and {"k":"[secret]"}; visible');
  });

  it("leaves text alone that only looks like a pattern", () => {
    const mask = new SecretMask();
    mask.add("a.*b");
    expect(mask.apply("axxb a.*b")).toBe("axxb [secret]");
  });
});
