import type { Finding } from "../problems";
import type { Bmc } from "../schema";
import type { Checkable } from "./checkable";

type Mark = { key: "uuid" | "serialNumber" | "address"; value: string };

/** What can belong to one server only. */
function marksOf({ address, port, systemId, uuid, serialNumber }: Bmc): Mark[] {
  return [
    { key: "address", value: `${address.toLowerCase()} ${port} ${systemId ?? ""}` },
    ...(uuid === undefined ? [] : [{ key: "uuid", value: uuid.toLowerCase() } as const]),
    ...(serialNumber === undefined ? [] : [{ key: "serialNumber", value: serialNumber } as const]),
  ];
}

const fixes = {
  address: "Give each server's BMC an address of its own; where one BMC answers for several servers, give each its systemId.",
  uuid: "Read it anew on each server: two servers with one would let the wrong one be powered off.",
  serialNumber: "Read it anew on each server: two servers with one would let the wrong one be powered off.",
} as const;

/** No two servers are powered off by the same switch. */
export function* bmcFindings({ servers }: Checkable): Generator<Finding> {
  const owners = new Map<string, string>();
  for (const [name, { bmc }] of Object.entries(servers)) {
    if (bmc === undefined) continue;
    for (const { key, value } of marksOf(bmc)) {
      const mark = `${key} ${value}`;
      const owner = owners.get(mark);
      if (owner === undefined) owners.set(mark, name);
      else yield { keys: ["servers", name, "bmc", key], message: `is that of ${owner} too`, value: bmc[key], fix: fixes[key] };
    }
  }
}
