import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { Qmp } from "../../rehearsal/qmp";

/** A QEMU that answers what the test says, and keeps what it was sent. */
function pair(): { qmp: Qmp; say: (message: object) => void; sent: () => object[]; hangUp: () => void } {
  const from = new PassThrough();
  const to = new PassThrough();
  let text = "";
  to.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  return {
    qmp: new Qmp(from, to),
    say: (message) => void from.write(JSON.stringify(message) + "\r\n"),
    sent: () => text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as object),
    hangUp: () => from.destroy(),
  };
}

describe("QEMU's machine protocol", () => {
  it("answers commands in order, past the greeting and events in between", async () => {
    const { qmp, say, sent } = pair();
    const both = Promise.all([qmp.negotiate(), qmp.execute("query-status", { verbose: true })]);
    say({ QMP: { version: {} } });
    say({ return: {} });
    say({ event: "RESUME", data: {} });
    say({ return: { running: true } });
    expect((await both)[1]).toEqual({ running: true });
    expect(sent()).toEqual([{ execute: "qmp_capabilities", arguments: {} }, { execute: "query-status", arguments: { verbose: true } }]);
  });

  it("takes messages that arrive in pieces", async () => {
    const from = new PassThrough();
    const qmp = new Qmp(from, new PassThrough());
    const answer = qmp.execute("query-status");
    from.write('{"ret');
    from.write('urn": 5}\n');
    expect(await answer).toBe(5);
  });

  it("tells what the emulator refuses", async () => {
    const { qmp, say } = pair();
    const answer = qmp.execute("device_del", { id: "drive9" });
    say({ error: { class: "DeviceNotFound", desc: "Device 'drive9' not found" } });
    await expect(answer).rejects.toThrow("The emulator refused a command: Device 'drive9' not found");
  });

  it("waits for the event of one device and not of another", async () => {
    const { qmp, say } = pair();
    let done = false;
    const gone = qmp.waitFor("DEVICE_DELETED", (data) => data["device"] === "drive1", 5).then(() => (done = true));
    say({ event: "DEVICE_DELETED", data: { device: "drive0" } });
    await new Promise((resolve) => setImmediate(resolve));
    expect(done).toBe(false);
    say({ event: "DEVICE_DELETED", data: { device: "drive1" } });
    await gone;
    expect(done).toBe(true);
  });

  it("does not wait for ever", async () => {
    await expect(pair().qmp.waitFor("DEVICE_DELETED", () => true, 0.01)).rejects.toThrow("did not report DEVICE_DELETED within 0.01 s");
  });

  it("fails what is outstanding, and what comes later, when the emulator ends", async () => {
    const { qmp, hangUp } = pair();
    const outstanding = qmp.execute("query-status");
    hangUp();
    await expect(outstanding).rejects.toThrow("no longer running");
    await expect(qmp.execute("query-status")).rejects.toThrow("no longer running");
  });
});
