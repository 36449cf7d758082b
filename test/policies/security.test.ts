import { describe, expect, it } from "vitest";
import { encryptionAtRest } from "../../policies/security/encryption-at-rest";
import { hostKeysPinned } from "../../policies/security/host-keys-pinned";
import { hostKeysUnique } from "../../policies/security/host-keys-unique";
import { noPublicAddress } from "../../policies/security/no-public-address";
import { noRootLogin } from "../../policies/security/no-root-login";
import { noSshPasswords } from "../../policies/security/no-ssh-passwords";
import { objectStoreOverTls } from "../../policies/security/object-store-over-tls";
import { sshChecksHostKeys } from "../../policies/security/ssh-checks-host-keys";
import { REMOTE_COMMANDS, type SiteSpec } from "../../policies/specs";
import { analyze, broken, expectViolations } from "./analyze";
import { commandSpec, hostKey, serverSpec, siteSpec } from "./fixtures";

describe("host-keys-pinned", () => {
  const all = "ssh-ed25519, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ecdsa-sha2-nistp521 or ssh-rsa";

  it("refuses a server without a host key", () => {
    for (const key of ["", undefined]) {
      expectViolations(analyze(hostKeysPinned, broken(serverSpec(), (spec) => Object.assign(spec, { hostKey: key }))), { at: "servers.gpu-01.hostKey", says: ["no host key"], allowed: all });
    }
  });

  it("refuses a type that nobody should use", () => {
    expectViolations(analyze(hostKeysPinned, broken(serverSpec(), (spec) => (spec.hostKey = "ssh-dss AAAA"))), { at: "servers.gpu-01.hostKey", says: ["ssh-dss"], allowed: all });
  });

  it("accepts the common types, or only those that the site names", () => {
    const rsa = broken(serverSpec(), (spec) => (spec.hostKey = "ssh-rsa AAAA"));
    expect(analyze(hostKeysPinned, serverSpec())).toEqual([]);
    expect(analyze(hostKeysPinned, rsa)).toEqual([]);
    expectViolations(analyze(hostKeysPinned, rsa, { config: { types: ["ssh-ed25519"] } }), { at: "servers.gpu-01.hostKey", says: ["ssh-rsa"], allowed: "ssh-ed25519" });
  });
});

describe("host-keys-unique", () => {
  it("accepts keys of their own", () => {
    expect(analyze(hostKeysUnique, siteSpec())).toEqual([]);
  });

  it("refuses a cloned server and names its twin", () => {
    const spec = broken(siteSpec(), ({ servers }) => Object.assign(servers["gpu-02"] ?? {}, { hostKey: hostKey(1) }));
    expectViolations(analyze(hostKeysUnique, spec), { at: "servers.gpu-01.hostKey", says: ["servers.gpu-02"], allowed: "one key on one server" });
  });

  it("counts the bastion", () => {
    const spec = broken(siteSpec(), ({ ssh }) => Object.assign(ssh.bastion ?? {}, { hostKey: hostKey(2) }));
    expectViolations(analyze(hostKeysUnique, spec), { at: "servers.gpu-02.hostKey", says: ["ssh.bastion"], allowed: "one key on one server" });
  });

  it("accepts an environment without a bastion", () => {
    expect(analyze(hostKeysUnique, broken(siteSpec(), ({ ssh }) => delete ssh.bastion))).toEqual([]);
  });
});

describe.each(REMOTE_COMMANDS)("rules about %s", (type) => {
  it("refuse a connection that expects no host key", () => {
    for (const key of ["", undefined]) {
      const spec = broken(commandSpec(), ({ connection }) => Object.assign(connection, { hostKey: key }));
      expectViolations(analyze(sshChecksHostKeys, spec, { type, name: "step" }), { at: "step.connection.hostKey", says: ["10.0.0.1"], allowed: "a public host key" });
    }
  });

  it("refuse a jump host whose key is not checked", () => {
    const spec = broken(commandSpec(), ({ connection }) => delete connection.proxy?.hostKey);
    expectViolations(analyze(sshChecksHostKeys, spec, { type, name: "step" }), { at: "step.connection.proxy.hostKey", says: ["10.0.0.250"], allowed: "a public host key" });
  });

  it("accept checked keys, with and without a jump host", () => {
    expect(analyze(sshChecksHostKeys, commandSpec(), { type })).toEqual([]);
    expect(analyze(sshChecksHostKeys, broken(commandSpec(), ({ connection }) => delete connection.proxy), { type })).toEqual([]);
  });

  it("refuse passwords at either end without repeating them", () => {
    const password = "correct horse";
    const direct = analyze(noSshPasswords, broken(commandSpec(), ({ connection }) => (connection.password = password)), { type, name: "step" });
    const jump = analyze(noSshPasswords, broken(commandSpec(), ({ connection }) => Object.assign(connection.proxy ?? {}, { password })), { type, name: "step" });
    expectViolations(direct, { at: "step.connection.password", says: ["10.0.0.1", "by password"], allowed: "a private key or an SSH agent" });
    expectViolations(jump, { at: "step.connection.proxy.password", says: ["10.0.0.250"], allowed: "a private key or an SSH agent" });
    expect([...direct, ...jump].join()).not.toContain(password);
  });

  it("accept a login without a password", () => {
    expect(analyze(noSshPasswords, commandSpec(), { type })).toEqual([]);
    expect(analyze(noSshPasswords, broken(commandSpec(), ({ connection }) => delete connection.proxy), { type })).toEqual([]);
  });
});

describe("no-root-login", () => {
  const login = (user: string, dataClass: "general" | "finance" | "medical") => broken(siteSpec(), ({ site, ssh }) => void (Object.assign(ssh, { user }), Object.assign(site, { dataClass })));

  it.each(["finance", "medical"] as const)("objects to root at a site with %s data", (dataClass) => {
    expectViolations(analyze(noRootLogin, login("root", dataClass)), { at: "ssh.user", says: ["root", dataClass], allowed: "a user with sudo" });
    expect(analyze(noRootLogin, login("ops", dataClass))).toEqual([]);
  });

  it("says nothing where data is not regulated", () => {
    expect(analyze(noRootLogin, login("root", "general"))).toEqual([]);
  });
});

describe("encryption-at-rest", () => {
  const declared = (value: "none" | "self-encrypting-drives" | undefined, ...tiers: ("hot" | "warm" | "cold")[]) =>
    broken(siteSpec(), ({ servers }) => {
      for (const tier of tiers) {
        const found = servers["gpu-01"]?.tiers[tier];
        if (found && value === undefined) delete found.encryptionAtRest;
        else Object.assign(found ?? {}, { encryptionAtRest: value });
      }
    });
  const expected = { at: "servers.gpu-01.tiers", allowed: "self-encrypting-drives" };

  it.each(["finance", "medical"] as const)("objects where nothing is declared for %s data, and names server and tiers", (dataClass) => {
    const of = (spec: SiteSpec) => broken(spec, ({ site }) => (site.dataClass = dataClass));
    expectViolations(analyze(encryptionAtRest, of(declared(undefined, "hot", "warm", "cold"))), { ...expected, says: ["hot, warm and cold tiers have", dataClass] });
    expectViolations(analyze(encryptionAtRest, of(declared("none", "warm"))), { ...expected, says: [/^the warm tier has encryptionAtRest none/] });
  });

  it("says nothing where all is declared, or data is not regulated", () => {
    expect(analyze(encryptionAtRest, declared("self-encrypting-drives", "hot", "warm", "cold"))).toEqual([]);
    expect(analyze(encryptionAtRest, broken(declared("none", "hot", "warm", "cold"), ({ site }) => (site.dataClass = "general")))).toEqual([]);
  });

  it("asks it of the tiers that the site names", () => {
    expect(analyze(encryptionAtRest, declared("none", "hot"), { config: { tiers: ["warm", "cold"] } })).toEqual([]);
    expect(analyze(encryptionAtRest, declared("none", "hot", "cold"), { config: { tiers: ["cold"] } })[0]).toContain("the cold tier has");
  });
});

describe("object-store-over-tls", () => {
  const store = (endpoint: string, dataClass: "general" | "finance" | "medical") => broken(siteSpec(), ({ site }) => void (Object.assign(site.objectStore ?? {}, { endpoint }), Object.assign(site, { dataClass })));

  it.each(["finance", "medical"] as const)("refuses plain HTTP for %s data", (dataClass) => {
    expectViolations(analyze(objectStoreOverTls, store("http://store.site:8333", dataClass)), { at: "site.objectStore.endpoint", says: ["http://store.site:8333", dataClass], allowed: "https://" });
    expect(analyze(objectStoreOverTls, store("https://store.site", dataClass))).toEqual([]);
  });

  it("says nothing where data is not regulated or no store is used", () => {
    expect(analyze(objectStoreOverTls, store("http://store.site", "general"))).toEqual([]);
    expect(analyze(objectStoreOverTls, broken(siteSpec(), ({ site }) => delete site.objectStore))).toEqual([]);
  });
});

describe("no-public-address", () => {
  const at = (address: string) => broken(serverSpec(), (spec) => (spec.address = address));

  it.each([
    "8.8.8.8", "9.255.255.255", "11.0.0.0", "63.0.0.1", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0",
    "172.15.255.255", "172.32.0.0", "192.0.1.255", "192.0.3.0", "192.167.255.255", "192.169.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0",
    "2606:4700::1111", "fbff::1", "fe00::1", "fe7f::1", "fec0::1", "2001:db7::1", "2001:db9::1", "::",
  ])("refuses %s", (address) => {
    expectViolations(analyze(noPublicAddress, at(address)), { at: "servers.gpu-01.address", says: [address], allowed: "addresses of a private network" });
  });

  it.each([
    "10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255", "127.0.0.1", "127.255.255.255", "169.254.0.0", "169.254.255.255",
    "100.64.0.0", "100.127.255.255", "192.0.2.0", "192.0.2.255", "198.51.100.0", "198.51.100.255", "203.0.113.0", "203.0.113.255",
    "fc00::1", "fdff:ffff::1", "fe80::1", "febf::1", "::1", "2001:db8::1", "2001:db8:ffff::1", "gpu-01.site",
  ])("accepts %s", (address) => {
    expect(analyze(noPublicAddress, at(address))).toEqual([]);
  });

  it("accepts an address that is public on purpose, and no other", () => {
    expect(analyze(noPublicAddress, at("8.8.8.8"), { config: { allow: ["8.8.8.8"] } })).toEqual([]);
    expect(analyze(noPublicAddress, at("8.8.4.4"), { config: { allow: ["8.8.8.8"] } })).toHaveLength(1);
  });
});
