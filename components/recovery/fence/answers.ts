import { connect } from "node:net";

/** Whether a server says who it is on its SSH port: then its kernel and its user space work, whatever its node says. */
export function answersOverSsh(host: string, port: number, withinSeconds = 5): Promise<"answers" | "silent"> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const settle = (found: "answers" | "silent"): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(found);
    };
    const timer = setTimeout(() => settle("silent"), withinSeconds * 1000);
    socket.once("data", (banner) => settle(banner.toString("latin1").startsWith("SSH-") ? "answers" : "silent"));
    socket.once("error", () => settle("silent"));
    socket.once("end", () => settle("silent"));
  });
}
