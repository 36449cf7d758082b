import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** Lines of JSON that a process appends to its log, read as they come; what is not JSON is passed over. */
export class Lines<T> {
  readonly all: T[] = [];
  private offset = 0;
  private rest = "";

  constructor(private readonly file: string) {}

  /** Everything that is there by now. */
  read(): readonly T[] {
    const handle = openSync(this.file, "r");
    try {
      const size = fstatSync(handle).size - this.offset;
      if (size <= 0) return this.all;
      const buffer = Buffer.alloc(size);
      const count = readSync(handle, buffer, 0, size, this.offset);
      this.offset += count;
      const lines = (this.rest + buffer.toString("utf8", 0, count)).split("\n");
      this.rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line.startsWith("{")) this.all.push(JSON.parse(line) as T);
      }
      return this.all;
    } finally {
      closeSync(handle);
    }
  }
}
