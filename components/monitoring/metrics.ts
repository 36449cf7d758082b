import { jobs } from "./names";

/** One metric as its exporter says it. A histogram's `_bucket`, `_sum` and `_count` are not listed by themselves. */
export interface Metric {
  kind: "gauge" | "counter" | "histogram";
  /** The exporter's own labels; the target's ({@link targetLabels}) come on top. */
  labels: readonly string[];
  /** As the exporter says it: `%`, `ratio`, `W`, `s`, `bytes`, `MiB`. Absent for plain counts. */
  unit?: string;
}

const gauge = (unit?: string, ...labels: string[]): Metric => ({ kind: "gauge", labels, ...(unit === undefined ? {} : { unit }) });
const counter = (unit?: string, ...labels: string[]): Metric => ({ kind: "counter", labels, ...(unit === undefined ? {} : { unit }) });
const histogram = (unit: string, ...labels: string[]): Metric => ({ kind: "histogram", labels, unit });

/**
 * Of dcgm-exporter, for each GPU; `namespace`, `pod` and `container` are those of the pod that holds it and are absent for a
 * GPU that nothing holds. MIG instances have GPU_I_ID and GPU_I_PROFILE as well. Profiling fields (`_PROF_`) exist on
 * data-centre GPUs only (facts 1). Errors, throttling and NVLink are in our own list of counters (facts 5).
 */
const gpuLabels = ["gpu", "UUID", "pci_bus_id", "device", "modelName", "namespace", "pod", "container"] as const;
const perGpu = (kind: Metric["kind"], unit?: string, ...more: string[]): Metric => ({ kind, labels: [...gpuLabels, ...more], ...(unit === undefined ? {} : { unit }) });

/**
 * Every metric that a rule or a board may ask for, by the job that scrapes it. Rules and boards are tested to name no
 * other, and the emulated exporters of rehearsals speak exactly these. Sources: facts 5; node_exporter, kube-state-metrics,
 * smokeping_prober and blackbox_exporter from their own sources.
 */
export const metrics = {
  [jobs.gpu]: {
    DCGM_FI_DEV_GPU_UTIL: perGpu("gauge", "%"),
    DCGM_FI_PROF_GR_ENGINE_ACTIVE: perGpu("gauge", "ratio"),
    DCGM_FI_PROF_SM_ACTIVE: perGpu("gauge", "ratio"),
    DCGM_FI_PROF_PIPE_TENSOR_ACTIVE: perGpu("gauge", "ratio"),
    DCGM_FI_PROF_DRAM_ACTIVE: perGpu("gauge", "ratio"),
    DCGM_FI_PROF_PCIE_TX_BYTES: perGpu("gauge", "bytes/s"),
    DCGM_FI_PROF_PCIE_RX_BYTES: perGpu("gauge", "bytes/s"),
    DCGM_FI_DEV_SM_CLOCK: perGpu("gauge", "MHz"),
    DCGM_FI_DEV_MEM_CLOCK: perGpu("gauge", "MHz"),
    DCGM_FI_DEV_GPU_TEMP: perGpu("gauge", "°C"),
    DCGM_FI_DEV_MEMORY_TEMP: perGpu("gauge", "°C"),
    DCGM_FI_DEV_POWER_USAGE: perGpu("gauge", "W"),
    DCGM_FI_DEV_POWER_MGMT_LIMIT: perGpu("gauge", "W"),
    DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION: perGpu("counter", "mJ"),
    DCGM_FI_DEV_FB_USED: perGpu("gauge", "MiB"),
    DCGM_FI_DEV_FB_FREE: perGpu("gauge", "MiB"),
    DCGM_FI_DEV_FB_RESERVED: perGpu("gauge", "MiB"),
    /** The last XID code; it never goes back by itself. */
    DCGM_FI_DEV_XID_ERRORS: perGpu("gauge"),
    /** XIDs of the last five minutes, by code. */
    DCGM_EXP_XID_ERRORS_COUNT: perGpu("gauge", undefined, "xid", "window_size_in_ms"),
    /** Clock events of the last five minutes, by cause: `sw_power_cap`, `hw_thermal_slowdown`, … */
    DCGM_EXP_CLOCK_EVENTS_COUNT: perGpu("gauge", undefined, "clock_event", "window_size_in_ms"),
    DCGM_FI_DEV_THERMAL_VIOLATION: perGpu("counter", "ns"),
    DCGM_FI_DEV_POWER_VIOLATION: perGpu("counter", "ns"),
    DCGM_FI_DEV_ECC_SBE_VOL_TOTAL: perGpu("counter"),
    DCGM_FI_DEV_ECC_DBE_VOL_TOTAL: perGpu("counter"),
    DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS: perGpu("counter"),
    DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS: perGpu("counter"),
    DCGM_FI_DEV_ROW_REMAP_FAILURE: perGpu("gauge"),
    DCGM_FI_DEV_PCIE_REPLAY_COUNTER: perGpu("counter"),
    DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL: perGpu("counter"),
    DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL: perGpu("counter"),
    DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL: perGpu("counter"),
    DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL: perGpu("counter"),
  },
  [jobs.node]: {
    node_boot_time_seconds: gauge("s"),
    node_time_seconds: gauge("s"),
    node_load1: gauge(),
    node_cpu_seconds_total: counter("s", "cpu", "mode"),
    node_memory_MemTotal_bytes: gauge("bytes"),
    node_memory_MemAvailable_bytes: gauge("bytes"),
    /** Free blocks by order: `size` is the order, 0 to 10, of 4 KiB times 2 to its power. The collector `buddyinfo` is switched on for it. */
    node_buddyinfo_blocks: gauge(undefined, "node", "zone", "size"),
    node_filesystem_size_bytes: gauge("bytes", "device", "fstype", "mountpoint"),
    node_filesystem_avail_bytes: gauge("bytes", "device", "fstype", "mountpoint"),
    node_filesystem_readonly: gauge(undefined, "device", "fstype", "mountpoint"),
    node_filesystem_device_error: gauge(undefined, "device", "fstype", "mountpoint"),
    node_disk_read_bytes_total: counter("bytes", "device"),
    node_disk_written_bytes_total: counter("bytes", "device"),
    node_disk_io_time_seconds_total: counter("s", "device"),
    node_network_receive_bytes_total: counter("bytes", "device"),
    node_network_transmit_bytes_total: counter("bytes", "device"),
    node_network_receive_errs_total: counter(undefined, "device"),
    node_network_up: gauge(undefined, "device"),
    node_md_disks: gauge(undefined, "device", "state"),
    node_md_disks_required: gauge(undefined, "device"),
    node_md_state: gauge(undefined, "device", "state"),
    node_md_blocks: gauge(undefined, "device"),
    node_md_blocks_synced: gauge(undefined, "device"),
    node_hwmon_temp_celsius: gauge("°C", "chip", "sensor"),
    node_hwmon_temp_crit_celsius: gauge("°C", "chip", "sensor"),
    /** The whole server's draw, where it has an ACPI power meter. */
    node_hwmon_power_average_watt: gauge("W", "chip", "sensor"),
    node_rapl_package_joules_total: counter("J", "index", "path"),
    node_rapl_dram_joules_total: counter("J", "index", "path"),
    node_infiniband_state_id: gauge(undefined, "device", "port"),
    node_infiniband_link_downed_total: counter(undefined, "device", "port"),
    node_infiniband_port_errors_received_total: counter(undefined, "device", "port"),
    node_infiniband_port_data_received_bytes_total: counter("bytes", "device", "port"),
    node_infiniband_port_data_transmitted_bytes_total: counter("bytes", "device", "port"),
    node_timex_sync_status: gauge(),
    node_timex_offset_seconds: gauge("s"),
    node_textfile_mtime_seconds: gauge("s", "file"),
    // Below: what our own scripts on the hosts leave in textfiles.
    /** 1 for the state that an array of a tier is in: `ok`, `degraded`, `rebuilding`, `failed` (mdadm's own test), `missing`. */
    rackwright_array_state: gauge(undefined, "tier", "array", "state"),
    /** Members that an array of a tier should have, and those that work. */
    rackwright_array_members_expected: gauge(undefined, "tier", "array"),
    rackwright_array_members_working: gauge(undefined, "tier", "array"),
    /** 1 where a tier is mounted where the environment says. */
    rackwright_tier_mounted: gauge(undefined, "tier", "mountpoint"),
    /** Share of a drive's rated endurance that is used: 1 is all of it. */
    rackwright_drive_wear_ratio: gauge("ratio", "drive", "tier"),
    /** 1 where the drive's own SMART verdict is good. */
    rackwright_drive_healthy: gauge(undefined, "drive", "tier"),
    rackwright_drive_temperature_celsius: gauge("°C", "drive", "tier"),
    rackwright_drive_media_errors: gauge(undefined, "drive", "tier"),
    /** Of ib_write_lat with two bytes; `stat` is `typical` or `p99`. `peer` is a server. */
    rackwright_rdma_latency_seconds: gauge("s", "peer", "device", "stat"),
    /** 1 where the last measurement worked. */
    rackwright_rdma_probe_success: gauge(undefined, "peer", "device"),
    /** Newest complete checkpoint of a training job on this server. `name` is the job's name in the environment. */
    rackwright_checkpoint_step: gauge(undefined, "name"),
    rackwright_checkpoint_timestamp_seconds: gauge("s", "name"),
    /** When a backup last ended well, and when it was last read back and checked. `what` is what was backed up. */
    rackwright_backup_timestamp_seconds: gauge("s", "what"),
    rackwright_backup_verified_timestamp_seconds: gauge("s", "what"),
    /** 1 where the last try of a backup, or the last look at it, failed; and where its data are not what was written. */
    rackwright_backup_failed: gauge(undefined, "what"),
    rackwright_backup_damaged: gauge(undefined, "what"),
    /** Of a balancer: 1 where `program`, haproxy or keepalived, works, and where the server holds the virtual address. */
    rackwright_balancer_program_up: gauge(undefined, "program"),
    rackwright_balancer_address_held: gauge(undefined, "address"),
    /** 1 where a replica answers the balancer, and how often it was taken out. `name` is its service, `kind` active or standby. */
    rackwright_balancer_replica_up: gauge(undefined, "name", "replica", "kind"),
    rackwright_balancer_replica_failures_total: counter(undefined, "name", "replica", "kind"),
    /** The installed driver; 1. */
    rackwright_driver_info: gauge(undefined, "version", "branch"),
    /** When a certificate on the host ends. `path` is the file. */
    rackwright_certificate_expiry_timestamp_seconds: gauge("s", "path"),
  },
  [jobs.kubernetes]: {
    kube_node_status_condition: gauge(undefined, "node", "condition", "status"),
    kube_node_spec_unschedulable: gauge(undefined, "node"),
    kube_node_status_allocatable: gauge(undefined, "node", "resource", "unit"),
    kube_pod_info: gauge(undefined, "namespace", "pod", "node", "uid"),
    /** With the labels that kube-state-metrics is told to show: rackwright.dev/service, /role and /server. */
    kube_pod_labels: gauge(undefined, "namespace", "pod", "uid", "label_rackwright_dev_service", "label_rackwright_dev_role", "label_rackwright_dev_server"),
    kube_pod_status_phase: gauge(undefined, "namespace", "pod", "uid", "phase"),
    kube_pod_status_ready: gauge(undefined, "namespace", "pod", "uid", "condition"),
    kube_pod_status_ready_time: gauge("s", "namespace", "pod", "uid"),
    kube_pod_container_state_started: gauge("s", "namespace", "pod", "uid", "container"),
    kube_pod_container_status_restarts_total: counter(undefined, "namespace", "pod", "uid", "container"),
    kube_pod_container_status_waiting_reason: gauge(undefined, "namespace", "pod", "uid", "container", "reason"),
    kube_pod_container_resource_requests: gauge(undefined, "namespace", "pod", "uid", "container", "node", "resource", "unit"),
    kube_deployment_spec_replicas: gauge(undefined, "namespace", "deployment"),
    kube_deployment_status_replicas_available: gauge(undefined, "namespace", "deployment"),
    kube_deployment_labels: gauge(undefined, "namespace", "deployment", "label_rackwright_dev_service", "label_rackwright_dev_role", "label_rackwright_dev_server"),
    kube_job_status_failed: gauge(undefined, "namespace", "job_name", "reason"),
    kube_job_status_active: gauge(undefined, "namespace", "job_name"),
    /** 1 for a job that was given up; kube_job_status_failed counts pods, also of jobs that go on. */
    kube_job_failed: gauge(undefined, "namespace", "job_name", "condition"),
    kube_job_labels: gauge(undefined, "namespace", "job_name", "label_rackwright_dev_service", "label_rackwright_dev_server"),
    kube_persistentvolumeclaim_status_phase: gauge(undefined, "namespace", "persistentvolumeclaim", "phase"),
  },
  [jobs.engine]: {
    "vllm:num_requests_running": gauge(undefined, "model_name", "engine"),
    "vllm:num_requests_waiting": gauge(undefined, "model_name", "engine"),
    "vllm:kv_cache_usage_perc": gauge("ratio", "model_name", "engine"),
    "vllm:num_preemptions_total": counter(undefined, "model_name", "engine"),
    "vllm:prompt_tokens_total": counter(undefined, "model_name", "engine"),
    "vllm:generation_tokens_total": counter(undefined, "model_name", "engine"),
    "vllm:request_success_total": counter(undefined, "model_name", "engine", "finished_reason"),
    "vllm:time_to_first_token_seconds": histogram("s", "model_name", "engine"),
    "vllm:inter_token_latency_seconds": histogram("s", "model_name", "engine"),
    "vllm:e2e_request_latency_seconds": histogram("s", "model_name", "engine"),
    "vllm:request_queue_time_seconds": histogram("s", "model_name", "engine"),
    nv_inference_request_success: counter(undefined, "model", "version"),
    nv_inference_request_failure: counter(undefined, "model", "version", "reason"),
    nv_inference_pending_request_count: gauge(undefined, "model", "version"),
    nv_inference_request_duration_us: counter("µs", "model", "version"),
    nv_inference_queue_duration_us: counter("µs", "model", "version"),
    nv_inference_count: counter(undefined, "model", "version"),
    nv_inference_exec_count: counter(undefined, "model", "version"),
    "sglang:num_running_reqs": gauge(undefined, "model_name"),
    "sglang:num_queue_reqs": gauge(undefined, "model_name"),
    "sglang:token_usage": gauge("ratio", "model_name"),
    "sglang:generation_tokens_total": counter(undefined, "model_name"),
    // Of our own servers around DeepSpeed, ColossalAI and PyTorch.
    engine_requests_in_flight: gauge(),
    engine_requests_total: counter(undefined, "outcome"),
    engine_busy_seconds_total: counter("s"),
  },
  [jobs.allocator]: {
    // `process` is the number of the process in the pod, `device` torch's index in it, `uuid` the GPU's own where torch tells it.
    rackwright_torch_reserved_bytes: gauge("bytes", "process", "device", "uuid"),
    rackwright_torch_allocated_bytes: gauge("bytes", "process", "device", "uuid"),
    rackwright_torch_inactive_split_bytes: gauge("bytes", "process", "device", "uuid"),
    rackwright_torch_allocation_retries_total: counter(undefined, "process", "device", "uuid"),
    rackwright_torch_out_of_memory_total: counter(undefined, "process", "device", "uuid"),
  },
  [jobs.latency]: {
    /** `host` is the address as the environment has it: `rackwright:server:info` says whose it is. */
    smokeping_requests_total: counter(undefined, "host", "ip", "source"),
    smokeping_response_duration_seconds: histogram("s", "host", "ip", "source"),
  },
  [jobs.probe]: {
    probe_success: gauge(undefined, "target"),
    probe_duration_seconds: gauge("s", "target"),
    probe_ssl_earliest_cert_expiry: gauge("s", "target"),
  },
  [jobs.prometheus]: {
    prometheus_tsdb_head_series: gauge(),
    prometheus_tsdb_storage_blocks_bytes: gauge("bytes"),
    prometheus_rule_evaluation_failures_total: counter(undefined, "rule_group"),
    prometheus_notifications_dropped_total: counter(),
    prometheus_config_last_reload_successful: gauge(),
  },
  [jobs.alertmanager]: {
    alertmanager_notifications_failed_total: counter(undefined, "integration"),
    alertmanager_notifications_total: counter(undefined, "integration"),
  },
} as const satisfies Record<string, Record<string, Metric>>;

/**
 * What recording rules must offer (rules.ts and the `alerts.ts` of each component), with unit and labels. Boards ask for
 * these rather than compute them again.
 */
export const recorded = {
  /** 1 for each server; `host` is its address. Joins addresses to names. */
  "rackwright:server:info": ["server", "host", "rack", "gpu_model"],
  /** 1 for each pod of a service or job: joins pods to services. */
  "rackwright:pod_service:info": ["namespace", "pod", "service", "role", "server"],
  /** Pods that a service should have in a role, and those that are ready. A replica that spans servers has one on each. */
  "rackwright:pods_planned:count": ["service", "role"],
  "rackwright:pods_ready:count": ["service", "role"],
  /** Requests that all active replicas of a service answer at once. */
  "rackwright:concurrency_planned:requests": ["service"],
  /** What Kubernetes waits for a start before it takes it for failed. */
  "rackwright:start_budget:seconds": ["service"],
  /** Start of a training job's newest pod on a server, as Unix time; only while it runs. */
  "rackwright:training_started:seconds": ["name", "server"],
  /** Percent: GR_ENGINE_ACTIVE, or GPU_UTIL where the card has no profiling fields. */
  "rackwright:gpu_utilization:percent": ["server", "gpu", "UUID", "modelName", "namespace", "pod", "service", "role"],
  /** 1 where a workload holds the GPU, else 0. */
  "rackwright:gpu_held:bool": ["server", "gpu", "UUID"],
  /** 1 where the workload that holds the GPU has work: requests in flight, or a training job that runs. */
  "rackwright:gpu_busy:bool": ["server", "gpu", "UUID"],
  "rackwright:gpu_memory_used:ratio": ["server", "gpu", "UUID"],
  /** Share of the memory that torch has reserved which lies in split blocks that nothing uses: inactive split over reserved bytes. */
  "rackwright:torch_fragmentation:ratio": ["server", "service", "role", "namespace", "pod"],
  /** Share of a host's free memory that is in pieces too small for a 2 MiB page. */
  "rackwright:host_fragmentation:ratio": ["server", "node", "zone"],
  /** Mean over five minutes, one way there and back. */
  "rackwright:network_latency:seconds": ["source", "destination"],
  "rackwright:network_loss:ratio": ["source", "destination"],
  "rackwright:rdma_latency:seconds": ["source", "destination", "device"],
  /** From the start of the engine's container to its first healthy answer. */
  "rackwright:model_load:seconds": ["server", "service", "role", "namespace", "pod"],
  "rackwright:tokens:rate5m": ["service"],
  /** What balancers see, only where there are some: `server` is the balancer. */
  "rackwright:balancer_up:bool": ["server"],
  "rackwright:address_held:bool": ["server", "address"],
  "rackwright:replica_up:bool": ["server", "service", "role", "replica"],
  "rackwright:gpu_power:watts": ["server", "gpu", "UUID", "namespace", "pod", "service"],
  /** The ACPI power meter's where there is one, else GPUs plus RAPL, which leaves out fans, drives and losses. */
  "rackwright:server_power:watts": ["server", "basis"],
  "rackwright:service_power:watts": ["service"],
  "rackwright:service_energy:joules_per_kilotoken": ["service"],
  "rackwright:site_power:watts": [],
  /** The site meter over the servers' draw. Only where `monitoring.meter` names one. */
  "rackwright:site_pue:ratio": [],
} as const satisfies Record<string, readonly string[]>;
