/** What the layout of one server's weights requests: little, so that it finds room beside engines that hold nearly all. */
export const layoutRequests = { cpus: 0.5, memoryGiB: 0.5 } as const;
