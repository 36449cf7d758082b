import { setFiles } from "../../components/recovery/cold-start/set";
import { shellQuote } from "../../components/servers/shell";

/** What starts a rebuild on a machine that has nothing but a set: unpacks the project, with its runtime, and hands over to it. */
export function startScript(environment: string): string {
  return `#!/bin/sh
# Rebuilds ${environment} from this set, without a network: sh start.sh FOLDER [FLAGS OF cold-start]
# FOLDER is where the project is unpacked; a second start in the same folder goes on where the first one was.
set -eu
set_folder=$(cd -- "$(dirname -- "$0")" && pwd -P)
folder=\${1:?usage: sh start.sh FOLDER [FLAGS OF cold-start]}
shift
wanted=$(sed -n '/"path": "${setFiles.project.replaceAll(".", "\\.")}"/,/}/s/.*"sha256": "\\([0-9a-f]*\\)".*/\\1/p' "$set_folder/${setFiles.inventory}")
found=$(sha256sum <"$set_folder/${setFiles.project}" | cut -c 1-64)
[ "$wanted" = "$found" ] || { echo "start.sh: ${setFiles.project} is not what ${setFiles.inventory} says: take another set" >&2; exit 1; }
echo "start.sh: SHA-256 of ${setFiles.inventory} is $(sha256sum <"$set_folder/${setFiles.inventory}" | cut -c 1-64)" >&2
if [ "$(cat "$folder/.from-set" 2>/dev/null)" != "$found" ]; then
  [ -z "$(ls -A "$folder" 2>/dev/null)" ] || { echo "start.sh: $folder is not empty and does not hold the project of this set" >&2; exit 2; }
  # Under another name until it is whole: a start that was cut off leaves nothing that looks like a project.
  rm -rf "$folder.unpacking"
  mkdir -p "$folder.unpacking"
  tar -xzf "$set_folder/${setFiles.project}" -C "$folder.unpacking"
  printf '%s\\n' "$found" >"$folder.unpacking/.from-set"
  [ ! -d "$folder" ] || rmdir "$folder"
  mv "$folder.unpacking" "$folder"
fi
exec "$folder/rackwright" cold-start ${shellQuote(environment)} --from "$set_folder" "$@"
`;
}
