/**
 * Every figure that decides how long a switch takes, in one place: HAProxy's and keepalived's configuration, the node life
 * cycle and the budget are made of these. All are settings of ours but the last group.
 */
export const standbySettings = {
  /** HAProxy asks every replica this often; after a first failure it asks sooner. */
  checkIntervalMilliseconds: 1000,
  checkFastMilliseconds: 500,
  /** Failures in a row that take a replica out, and answers in a row that bring it back. */
  checkFall: 2,
  checkRise: 2,
  /** An answer that takes longer is a failure: an engine that hangs accepts connections and says nothing. */
  checkTimeoutMilliseconds: 1000,
  connectTimeoutMilliseconds: 1000,
  /** Of connections that were refused or not made, never of requests that were sent: nothing is done twice. */
  connectRetries: 1,
  /**
   * A replica's server that acknowledges nothing for so long is gone: ends what was sent in the moment in which the replica was
   * taken out, and would wait for an answer otherwise.
   */
  unacknowledgedSeconds: 5,
  /** VRRP advertisements; three in a row that do not come, and the next balancer takes over. */
  advertIntervalSeconds: 1,
  advertsMissed: 3,
  /** Highest VRRP priority; each further balancer has a step less. All start as backups and none takes the address back. */
  firstPriority: 150,
  priorityStep: 20,
  /** keepalived's own look at HAProxy and at the network: whole seconds, the least that it takes. */
  healthIntervalSeconds: 1,
  /** HAProxy's answer is waited for so long; the whole look may take longer, for a busy host starts programs late. */
  healthAnswerSeconds: 1,
  healthTimeoutSeconds: 3,
  healthFall: 2,
  healthRise: 2,
  /** A first echo that does not come back within this time does not count (`ping -W`). */
  witnessTimeoutSeconds: 0.4,
} as const;

/**
 * Node life cycle of a k3s cluster that has a standby: kubespray's published "fast" profile (facts 6, S65). Kubernetes'
 * own are 50 s, 5 s, 40 s and 10 s. Any shorter, and a control plane that stalls for some seconds loses all of its nodes.
 */
export const nodeSettings = {
  /** `--node-monitor-grace-period` and `--node-monitor-period` of the controller manager. */
  monitorGraceSeconds: 20,
  monitorPeriodSeconds: 2,
  /** `nodeLeaseDurationSeconds` of the kubelet, which renews the lease after a quarter of it: the heartbeat (facts 6, S60). */
  leaseSeconds: 20,
  /** `nodeStatusUpdateFrequency` of the kubelet. */
  statusUpdateSeconds: 4,
} as const;

/** Kubernetes' own, for clusters that are not ours to set (facts 6, S58 and S59). */
export const kubernetesDefaults = { monitorGraceSeconds: 50, monitorPeriodSeconds: 5 } as const;

/** From the node's or pod's state to the last kube-proxy's tables: informers, and a second between two syncs (general knowledge). */
export const endpointSpreadSeconds = 2;

/** From the end of a container's process to the pod's state: the kubelet looks once a second, and reports (general knowledge). */
export const containerEndSeconds = 2;

/** After 1, 3, 7 and 15 s a client's Linux sends again the packet that opens a connection (RFC 6298: 1 s at first, then twice as long each time). */
export const openingPacketSeconds = [1, 3, 7, 15, 31] as const;
