import { describe, expect, it } from "vitest";
import { parseEnvironment, type EnvironmentInput, type Problem } from "../../components/environment";
import { makeCertificates } from "../recovery/fence/fault-bmc";
import { generatedEnvironment } from "../support/environments";

type BmcInput = NonNullable<EnvironmentInput["servers"][string]["bmc"]>;

const fingerprintSha256 = "AB".repeat(32);
const bmc = (more: Partial<BmcInput> = {}): BmcInput => ({ address: "10.9.0.1", user: "operator", tls: { fingerprintSha256 }, ...more });

/** What is wrong with the BMCs of two servers. */
function problems(first: unknown, second?: BmcInput): Problem[] {
  const input = generatedEnvironment(2);
  const [one, two] = Object.values(input.servers);
  Object.assign(one ?? {}, { bmc: first });
  Object.assign(two ?? {}, second === undefined ? {} : { bmc: second });
  const parsed = parseEnvironment(input);
  return parsed.ok ? [] : parsed.problems;
}

describe("servers.<name>.bmc", () => {
  it("is taken with a fingerprint in any form, with an authority, and with what tells one server from another", () => {
    for (const written of [fingerprintSha256, fingerprintSha256.toLowerCase(), Array.from({ length: 32 }, () => "aB").join(":")]) expect(problems(bmc({ tls: { fingerprintSha256: written } }))).toEqual([]);
    expect(problems(bmc({ tls: { caCertificate: makeCertificates().authority }, port: 8443, systemId: "System.Embedded.1", uuid: "38947555-7742-3448-3784-823347823834", serialNumber: "437XR1138R2" }))).toEqual([]);
  });

  it("has port 443 unless it says otherwise", () => {
    const input = generatedEnvironment(1);
    Object.assign(Object.values(input.servers)[0] ?? {}, { bmc: bmc() });
    const parsed = parseEnvironment(input);
    expect(parsed.ok && Object.values(parsed.environment.servers)[0]?.bmc?.port).toBe(443);
  });

  it.each<[string, unknown, string, RegExp]>([
    ["no way to know the BMC", bmc({ tls: {} }), "tls", /one of fingerprintSha256 and caCertificate/],
    ["two ways", bmc({ tls: { fingerprintSha256, caCertificate: makeCertificates().authority } }), "tls", /and not both/],
    ["no TLS at all", { address: "10.9.0.1", user: "operator" }, "tls", /required/],
    ["a fingerprint of another length", bmc({ tls: { fingerprintSha256: "AB".repeat(20) } }), "tls.fingerprintSha256", /openssl x509/],
    ["an authority that is no certificate", bmc({ tls: { caCertificate: "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----" } }), "tls.caCertificate", /must be a certificate in PEM/],
    ["a BMC's own certificate as an authority", bmc({ tls: { caCertificate: makeCertificates().certificate } }), "tls.caCertificate", /write fingerprintSha256/],
    ["a user with a colon", bmc({ user: "a:b" }), "user", /without blanks and colons/],
    ["an address with a scheme", bmc({ address: "https://10.9.0.1" }), "address", /./],
    ["an id that is a path", bmc({ systemId: "../Managers" }), "systemId", /must be an Id/],
    ["a UUID that is none", bmc({ uuid: "38947555" }), "uuid", /dmidecode/],
    ["a password in the file", { ...bmc(), password: "hunter2" }, "password", /not a known key/],
  ])("refuses %s", (_what, value, path, says) => {
    const found = problems(value);
    expect(found.map((problem) => problem.path)).toEqual([`servers.gpu-0001.bmc.${path}`]);
    expect(found[0]?.message).toMatch(says);
  });

  it("refuses two servers behind one switch, and takes two systems of one BMC", () => {
    const fix = expect.stringContaining("systemId") as string;
    expect(problems(bmc(), bmc())).toEqual([expect.objectContaining({ path: "servers.gpu-0002.bmc.address", message: "is that of gpu-0001 too", fix })]);
    expect(problems(bmc({ systemId: "1" }), bmc({ systemId: "1" }))).toHaveLength(1);
    expect(problems(bmc({ systemId: "1" }), bmc({ systemId: "2" }))).toEqual([]);
    expect(problems(bmc(), bmc({ port: 8443 }))).toEqual([]);
    const uuid = "38947555-7742-3448-3784-82334782383a";
    expect(problems(bmc({ uuid }), bmc({ address: "10.9.0.2", uuid: uuid.toUpperCase() })).map(({ path }) => path)).toEqual(["servers.gpu-0002.bmc.uuid"]);
    expect(problems(bmc({ serialNumber: "1" }), bmc({ address: "10.9.0.2", serialNumber: "1" })).map(({ path }) => path)).toEqual(["servers.gpu-0002.bmc.serialNumber"]);
  });
});
