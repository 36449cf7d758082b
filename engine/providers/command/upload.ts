import { open, readdir, stat } from "node:fs/promises";
import { basename, join, posix } from "node:path";
import type { SFTPWrapper, Stats } from "ssh2";

/** What to copy: a file or folder of this machine, or a text. */
export type UploadSource = { path: string } | { text: string };

const NO_SUCH_FILE = 2;

type Failure = Error | null | undefined;

function ask<T>(start: (done: (error: Failure, value: T) => void) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => {
      if (error instanceof Error) reject(error);
      else resolve(value);
    });
  });
}

function tell(start: (done: (error?: Failure) => void) => unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => {
      if (error instanceof Error) reject(error);
      else resolve();
    });
  });
}

function because(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function step<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new Error(`failed to ${what}: ${because(error)}`, { cause: error });
  }
}

async function remoteStat(sftp: SFTPWrapper, path: string): Promise<Stats | undefined> {
  try {
    return await ask<Stats>((done) => sftp.stat(path, done));
  } catch (error) {
    if ((error as { code?: unknown }).code === NO_SUCH_FILE) return undefined;
    throw new Error(`failed to stat remote path ${path}: ${because(error)}`, { cause: error });
  }
}

async function makeFolders(sftp: SFTPWrapper, path: string): Promise<void> {
  const found = await remoteStat(sftp, path);
  if (found?.isDirectory() === true) return;
  if (found !== undefined) throw new Error(`${path} exists and is not a directory`);
  const parent = posix.dirname(path);
  if (parent !== path) await makeFolders(sftp, parent);
  await tell((done) => sftp.mkdir(path, done));
}

async function copyFile(sftp: SFTPWrapper, source: string, target: string): Promise<void> {
  const file = await open(source, "r");
  try {
    if ((await file.stat()).isDirectory()) throw new Error(`read ${source}: is a directory`);
    // Creating the file first tells "cannot be created" apart from "broke off on the way".
    const handle = await step(`create remote file ${target}`, ask<Buffer>((done) => sftp.open(target, "w", done)));
    await tell((done) => sftp.close(handle, done));
  } finally {
    await file.close();
  }
  await step(`copy file ${source} to remote path ${target}`, tell((done) => sftp.fastPut(source, target, done)));
}

async function copyFolder(sftp: SFTPWrapper, source: string, target: string): Promise<void> {
  const found = await remoteStat(sftp, target);
  if (found === undefined) {
    await step(`create remote directory ${target}`, tell((done) => sftp.mkdir(target, done)));
  } else if (!found.isDirectory()) {
    throw new Error(`remote path ${target} exists but is not a directory`);
  }
  const entries = await readdir(source, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))) {
    const from = join(source, entry.name);
    const to = posix.join(target, entry.name);
    await (entry.isDirectory() ? copyFolder(sftp, from, to) : copyFile(sftp, from, to));
  }
}

async function copyText(sftp: SFTPWrapper, text: string, target: string): Promise<void> {
  const found = await remoteStat(sftp, target);
  if (found?.isDirectory() === true) {
    throw new Error(`remote path ${target} is a directory; when using a text asset, remotePath must be a file path`);
  }
  await step(`create parent directories for ${target}`, makeFolders(sftp, posix.dirname(target)));
  await step(`write text content to remote path ${target}`, tell((done) => sftp.writeFile(target, text, done)));
}

/**
 * Copies a source to the host. Existing files are overwritten, nothing is deleted, packed files are not unpacked, and
 * modes are the host's defaults. Missing parent folders of `remotePath` are made.
 *
 * | source          | remotePath is a folder | is absent         | is a file   |
 * |-----------------|------------------------|-------------------|-------------|
 * | folder `dir`    | `remotePath/dir`       | `remotePath/dir`  | error       |
 * | folder `dir/`   | its content            | its content       | error       |
 * | file            | `remotePath/file`      | `remotePath`      | overwritten |
 * | text            | error                  | `remotePath`      | overwritten |
 */
export async function upload(sftp: SFTPWrapper, source: UploadSource, remotePath: string): Promise<void> {
  if ("text" in source) {
    await copyText(sftp, source.text, remotePath);
    return;
  }
  const isFolder = (await stat(source.path)).isDirectory();
  const found = await remoteStat(sftp, remotePath);
  if (!isFolder) {
    if (found === undefined) {
      await step(`create parent directories for ${remotePath}`, makeFolders(sftp, posix.dirname(remotePath)));
    }
    const target = found?.isDirectory() === true ? posix.join(remotePath, basename(source.path)) : remotePath;
    await copyFile(sftp, source.path, target);
    return;
  }
  if (found === undefined) {
    await step(`create remote directory ${remotePath}`, makeFolders(sftp, remotePath));
  }
  const target = source.path.endsWith("/") ? remotePath : posix.join(remotePath, basename(source.path));
  await copyFolder(sftp, source.path, target);
}
