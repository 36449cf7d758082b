"use strict";
// Loaded before a command of the project's: counts the moments at which a file is changed, and at which something is asked of
// or sent to a server, and kills the process at one of them. A file that is written whole is killed in its middle as well.
const { join } = require("node:path");

const folders = (process.env.KILL_BELOW ?? "").split(":");
const killAt = Number(process.env.KILL_AT ?? 0);
// Of these moments alone; of all where it is not set.
const killOn = new RegExp(process.env.KILL_ON ?? "");

if (process.argv[1]?.endsWith("/cli/main.ts") === true) {
  const fs = require("node:fs");
  const net = require("node:net");
  const { appendFileSync, writeFileSync } = fs;
  let count = 0;
  const moment = (what, before) => {
    if (!killOn.test(what)) return;
    count += 1;
    if (process.env.KILL_LOG !== undefined) appendFileSync(process.env.KILL_LOG, `${String(count)} ${what}\n`);
    if (count !== killAt) return;
    before?.();
    process.kill(process.pid, "SIGKILL");
  };
  const isOurs = (file) => typeof file === "number" || folders.some((folder) => String(file).startsWith(`${folder}/`));

  const wrap = (owner, name, look) => {
    const original = owner[name];
    owner[name] = function (...parameters) {
      look(parameters);
      return original.apply(this, parameters);
    };
  };
  const halfOf = (content) => (typeof content === "string" ? content.slice(0, content.length / 2) : content.subarray(0, content.length / 2));
  const writing = ([file, content]) => {
    if (!isOurs(file)) return;
    moment(`write ${String(file)}`);
    moment(`half of ${String(file)}`, () => writeFileSync(file, halfOf(content)));
  };
  const changing = (name) => ([file, to]) => {
    if (isOurs(file)) moment(`${name} ${String(file)} ${name.startsWith("rename") ? String(to) : ""}`);
  };
  wrap(fs, "writeFileSync", writing);
  wrap(fs.promises, "writeFile", writing);
  for (const name of ["renameSync", "rmSync", "linkSync", "rmdirSync", "unlinkSync"]) wrap(fs, name, changing(name));
  for (const name of ["rename", "rm", "mkdir"]) wrap(fs.promises, name, changing(name));
  // What streams write; a descriptor tells no path, so that what goes to terminals is left out by its number.
  let pieces = 0;
  for (const name of ["write", "writev"]) wrap(fs, name, ([file]) => file > 2 && pieces++ % 16 === 1 && moment(`piece ${String(pieces)} of a stream`));
  const { open } = fs.promises;
  let isWrapped = false;
  fs.promises.open = async (...parameters) => {
    const handle = await open(...parameters);
    if (!isWrapped) {
      isWrapped = true;
      const prototype = Object.getPrototypeOf(handle);
      for (const name of ["write", "appendFile", "sync", "datasync"]) wrap(prototype, name, () => moment(`${name} of a handle`));
    }
    return handle;
  };

  const { Client } = require(join(process.argv[1], "../../node_modules/ssh2"));
  for (const name of ["exec", "sftp", "forwardIn"]) wrap(Client.prototype, name, ([command]) => moment(`ssh ${name} ${typeof command === "string" ? (/'cold-start' .*|\S*scripts\/.*|cold-start \S+.*/s.exec(command)?.[0] ?? command).slice(0, 80) : ""}`));
  let sent = 0;
  wrap(net.Socket.prototype, "write", function ([content]) {
    const before = sent >> 16;
    sent += content?.length ?? 0;
    if (sent >> 16 !== before) moment("64 KiB sent");
  });
}
