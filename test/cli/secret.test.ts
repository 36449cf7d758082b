import { describe, expect, it } from "vitest";
import { withSecret } from "../../cli/commands/secret";
import { loadStackText } from "../../components/environment/load";

const yaml = "# the lab\nconfig:\n  # the room\n  rackwright:environment:\n    site: { name: lab }\n    servers: {}\n";

describe("withSecret", () => {
  it("sets one value and the salt, and keeps comments and order", () => {
    expect(withSecret(yaml, "rackwright:sshPrivateKey", "v1:n:c", "v1:s:v1:n:c")).toBe(
      `${yaml.replace(/\n$/, "")}\n  rackwright:sshPrivateKey:\n    secure: v1:n:c\nencryptionsalt: v1:s:v1:n:c\n`,
    );
  });

  it("replaces a value that is there", () => {
    const once = withSecret(yaml, "rackwright:sshPrivateKey", "v1:n:old", "v1:s:v1:n:c");
    const twice = withSecret(once, "rackwright:sshPrivateKey", "v1:n:new", "v1:s:v1:n:c");
    expect(twice).toBe(once.replace("old", "new"));
  });

  it("writes what the loader takes as a secret", () => {
    const loaded = loadStackText("lab", withSecret(yaml, "rackwright:sshPrivateKey", "v1:n:c", "v1:s:v1:n:c"));
    expect(loaded.ok ? loaded.secureKeys : loaded.problems).toEqual(["rackwright:sshPrivateKey"]);
  });
});
