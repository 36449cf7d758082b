import type { Bmc } from "../../environment/schema";
import type { SystemIdentity } from "./facts";

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/** The first three fields of a UUID with their bytes the other way round: some firmware writes them so (SMBIOS 2.6 and before). */
function swapped(uuid: string): string {
  const [a = "", b = "", c = "", ...rest] = uuid.split("-");
  const reversed = (hex: string): string => (hex.match(/../g) ?? []).reverse().join("");
  return [reversed(a), reversed(b), reversed(c), ...rest].join("-");
}

/** Whether two UUIDs are of one system board, in either order of bytes. */
export function sameUuid(a: string, b: string): boolean {
  return same(a, b) || same(swapped(a), b);
}

/** What a BMC says of its server, in a few words. */
export function describeSystem({ id, manufacturer, model, serialNumber, uuid, hostName }: SystemIdentity): string {
  const parts = [
    [manufacturer, model].filter((part) => part !== undefined).join(" "),
    serialNumber === undefined ? "" : `serial number ${serialNumber}`,
    uuid === undefined ? "" : `UUID ${uuid}`,
    hostName === undefined ? "" : `host name ${hostName}`,
  ].filter((part) => part !== "");
  return `system ${id}${parts.length === 0 ? "" : ` (${parts.join(", ")})`}`;
}

/**
 * Whether a BMC answers for the server that is meant. What the environment states must be said by the BMC, all of it; where
 * it states nothing, the host name must be the server's.
 * @returns why not, and what to do; undefined where it is the right server.
 */
export function wrongSystem(server: string, bmc: Pick<Bmc, "uuid" | "serialNumber">, system: SystemIdentity): string | undefined {
  const place = `servers.${server}.bmc`;
  const found = `The BMC answers for ${describeSystem(system)}`;
  if (bmc.uuid !== undefined && (system.uuid === undefined || !sameUuid(bmc.uuid, system.uuid))) return `${found}, but ${place}.uuid is ${bmc.uuid}. Nothing was switched. Correct the address, the systemId or the uuid.`;
  if (bmc.serialNumber !== undefined && (system.serialNumber === undefined || !same(bmc.serialNumber, system.serialNumber.trim()))) {
    return `${found}, but ${place}.serialNumber is ${bmc.serialNumber}. Nothing was switched. Correct the address, the systemId or the serialNumber.`;
  }
  if (bmc.uuid !== undefined || bmc.serialNumber !== undefined) return undefined;
  const hostName = system.hostName?.trim() ?? "";
  if (same(hostName, server) || same(hostName.split(".")[0] ?? "", server)) return undefined;
  return `${found}, and nothing says that this is ${server}. Nothing was switched. Read the UUID on the server (\`dmidecode -s system-uuid\`) or on its label, and write it as ${place}.uuid or ${place}.serialNumber.`;
}
