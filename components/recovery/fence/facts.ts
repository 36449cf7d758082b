/** What a BMC says of power (DMTF Redfish, ComputerSystem.PowerState). */
export type PowerState = "On" | "Off" | "PoweringOn" | "PoweringOff" | "Paused";

/** Ways of switching (DMTF Redfish, ComputerSystem.Reset) that are used here. */
export type ResetType = "GracefulShutdown" | "ForceOff" | "On";

/** Who a BMC says that its server is. What it does not say is absent. */
export interface SystemIdentity {
  /** Id below /redfish/v1/Systems. */
  id: string;
  manufacturer?: string;
  model?: string;
  serialNumber?: string;
  uuid?: string;
  hostName?: string;
}

/** The right server's BMC answered. */
export interface SystemReading {
  identity: SystemIdentity;
  power: PowerState;
  /** What the BMC offers; absent where it does not say. */
  resetTypes?: readonly string[];
}

/**
 * Why a BMC cannot be believed or asked.
 * `unreachable` and `server-error` may pass; the others last until somebody mends them.
 */
export type BmcFaultKind = "unreachable" | "server-error" | "certificate" | "password" | "wrong-system" | "redirect" | "not-redfish" | "refused";

export interface BmcFault {
  kind: BmcFaultKind;
  /** A sentence for the user that says what to do. Never has a password in it. */
  message: string;
}

export const mayPass = ({ kind }: BmcFault): boolean => kind === "unreachable" || kind === "server-error";

/** A pod that ends with its node. */
export interface LostPod {
  namespace: string;
  name: string;
  /** `Job finetune-0`; absent where nothing makes it anew. */
  owner?: string;
  /** `elsewhere`: made anew on another node. `waits`: made anew, but only this node will do. `gone`: nothing makes it anew. */
  then: "elsewhere" | "waits" | "gone";
  /** Why it waits. */
  because?: string;
}

/** A server's node as the API server has it. */
export interface NodeFacts {
  ready: boolean;
  /** Of the condition Ready where it is not True: since when and why. */
  notReady?: { since: string; reason: string };
  /** Whether it has the taint out-of-service. */
  tainted: boolean;
  /** When the kubelet last renewed its lease, as the API server has it. Compared, never subtracted: clocks differ. */
  leaseRenewed?: string;
  /** What the kubelet read from the server's firmware. */
  systemUuid?: string;
  /** Pods that the taint takes away. */
  pods: readonly LostPod[];
  /** Volumes that are attached to the node. */
  volumes: number;
}

/** What the API server said of the node; without `facts`, why it said nothing. */
export type NodeReading = { facts: NodeFacts } | { missing: true } | { unreachable: string };

/** What the BMC said. */
export type BmcReading = { system: SystemReading } | { fault: BmcFault };

/** What a look at everything found, before anything is done. */
export interface Look {
  node: NodeReading;
  bmc: BmcReading;
  /** Whether an SSH server answers where the environment says; undefined where only a bastion could tell. */
  ssh?: "answers" | "silent";
}
