import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface S3Server {
  /** For `RCLONE_CONFIG_STORE_*`. */
  env: Readonly<Record<string, string>>;
  /** `GET key`, in order. */
  requests: string[];
  close(): Promise<void>;
}

const accessKeyId = "layout-test";

const text = (value: string): string => value.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/**
 * A stand-in for an S3 server: lists and hands out objects of one bucket to whoever signs with the right key's id. It cannot
 * check signatures; the pinned rclone against its own S3 server has been tried by hand (docs/model-store.md).
 * @param spoil changes an object's content on its way, by the number of times it has been asked for.
 */
export async function serveS3(bucket: string, objects: Readonly<Record<string, Buffer>>, spoil: (key: string, time: number, content: Buffer) => Buffer = (_key, _time, content) => content): Promise<S3Server> {
  const requests: string[] = [];
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const key = decodeURIComponent(url.pathname).replace(`/${bucket}`, "").replace(/^\//, "");
    if (!(request.headers.authorization ?? "").includes(`Credential=${accessKeyId}/`)) {
      response.writeHead(403, { "content-type": "application/xml" }).end("<Error><Code>AccessDenied</Code><Message>no</Message></Error>");
      return;
    }
    if (key === "") {
      const prefix = url.searchParams.get("prefix") ?? "";
      const delimiter = url.searchParams.get("delimiter") ?? "";
      const contents = Object.entries(objects).filter(([name]) => name.startsWith(prefix));
      const below = contents.filter(([name]) => delimiter === "" || !name.slice(prefix.length).includes(delimiter));
      const folders = delimiter === "" ? [] : [...new Set(contents.flatMap(([name]) => (name.slice(prefix.length).includes(delimiter) ? [`${prefix}${name.slice(prefix.length).split(delimiter)[0] ?? ""}${delimiter}`] : [])))];
      const entries = below.map(([name, content]) => `<Contents><Key>${text(name)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"0-2"</ETag><Size>${content.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`);
      response.writeHead(200, { "content-type": "application/xml" }).end(`<?xml version="1.0"?><ListBucketResult><Name>${bucket}</Name><Prefix>${text(prefix)}</Prefix><IsTruncated>false</IsTruncated>${entries.join("")}${folders.map((folder) => `<CommonPrefixes><Prefix>${text(folder)}</Prefix></CommonPrefixes>`).join("")}</ListBucketResult>`);
      return;
    }
    const content = Object.hasOwn(objects, key) ? objects[key] : undefined;
    if (content === undefined) {
      response.writeHead(404, { "content-type": "application/xml" }).end(request.method === "HEAD" ? "" : "<Error><Code>NoSuchKey</Code><Message>no</Message></Error>");
      return;
    }
    requests.push(`${request.method ?? ""} ${key}`);
    const time = requests.filter((each) => each === `GET ${key}`).length;
    const body = request.method === "HEAD" ? content : spoil(key, time, content);
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const from = Number(range?.[1] ?? 0);
    const to = Math.min(range?.[2] === undefined || range[2] === "" ? body.length - 1 : Number(range[2]), body.length - 1);
    response.writeHead(range === null ? 200 : 206, { "content-length": to - from + 1, "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT", etag: '"0-2"', ...(range === null ? {} : { "content-range": `bytes ${from}-${to}/${body.length}` }) });
    response.end(request.method === "HEAD" ? undefined : body.subarray(from, to + 1));
  };
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    env: Object.fromEntries(
      Object.entries({ TYPE: "s3", PROVIDER: "Other", ENV_AUTH: "false", ENDPOINT: `http://127.0.0.1:${port}`, REGION: "us-east-1", NO_CHECK_BUCKET: "true", ACCESS_KEY_ID: accessKeyId, SECRET_ACCESS_KEY: "not a secret" }).map(
        ([name, value]) => [`RCLONE_CONFIG_STORE_${name}`, value],
      ),
    ),
    requests,
    close: () => new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    }),
  };
}
