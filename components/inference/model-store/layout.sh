#!/bin/sh
# Lays out the weights of models on a server's hot tier: fetched from the site's model store, verified against the store's
# own checksums, published file by file. POSIX sh: it runs under busybox in rclone's image, and by hand under dash or bash.
set -eu
LC_ALL=C
export LC_ALL
umask 027

readonly EXIT_USAGE=2 EXIT_FULL=3 EXIT_SOURCE=4 EXIT_CHECKSUM=5 EXIT_MANIFEST=6 EXIT_TARGET=7
readonly MANIFEST=manifest.sha256 MANIFEST_LIMIT_BYTES=16777216

usage() {
  cat <<'TEXT'
sh layout.sh --source SOURCE --target FOLDER --model FOLDER[=SHA256] ...

  --source SOURCE        what rclone reads from: a folder, or remote:bucket/prefix with the remote described by RCLONE_CONFIG_*
  --target FOLDER        the folder on the hot tier that gets one folder a model
  --model FOLDER[=SUM]   a model's folder below both, with the SHA-256 that its manifest must have; once for each model
  --streams N            files copied at the same time, 1 to 64 (default 8)
  --jobs N               files whose checksums are computed at the same time (default: one for each CPU)
  --verify quick|full    quick trusts files of known size and time; full reads every byte again (default quick)
  --lock-seconds N       how long to wait for another run on the same target (default 3600)

A model's folder in the store holds manifest.sha256, in the format of sha256sum. Files arrive in FOLDER/.partial, are verified
there and renamed into place; FOLDER/.complete is written last. A run that was cut off is carried on from what is right.

stdout: one JSON document a line, the last one the summary; stderr: words for people
exit 0: done; 2: wrong flags; 3: not enough room on the hot tier, nothing was copied; 4: the store does not answer or lacks
files; 5: a file had the wrong checksum twice; 6: the manifest is refused; 7: the target cannot be used
TEXT
}

# ---------------------------------------------------------------- messages

say() { printf 'layout: %s\n' "$*" >&2; }

# json_text TEXT: TEXT between the quotes of a JSON string. Only printable ASCII survives.
json_text() { printf '%s' "$1" | tr '\n\t' '  ' | tr -cd '\40-\176' | sed 's/\\/\\\\/g; s/"/\\"/g'; }

# event NAME FIELDS: FIELDS is the rest of a JSON object, or empty.
event() { printf '{"event":"%s"%s}\n' "$1" "${2:+,$2}"; }

die() {
  die_status=$1
  shift
  say "failed: $*"
  event summary "\"ok\":false,\"exitCode\":$die_status,\"message\":\"$(json_text "$*")\",\"seconds\":$(seconds_taken)"
  exit "$die_status"
}

seconds_taken() { printf '%s' "$(($(date +%s) - STARTED))"; }

# human BYTES
human() {
  awk -v bytes="$1" 'BEGIN {
    split("B kB MB GB TB PB", unit, " ")
    for (i = 1; bytes >= 1000 && i < 6; i++) bytes /= 1000
    printf(i == 1 ? "%d %s" : "%.1f %s", bytes, unit[i])
  }'
}

# some FILE: its first lines, joined, for a message.
some() { awk 'NR <= 8 { printf "%s%s", (NR > 1 ? "; " : ""), $0 } END { if (NR > 8) printf "; and %d more", NR - 8 }' "$1"; }

count_lines() { awk 'END { printf "%d", NR }' "$1"; }

# ---------------------------------------------------------------- flags

# a_number FLAG VALUE LEAST MOST
a_number() {
  case $2 in '' | *[!0-9]* | ????????*) usage_error "$1: must be a number from $3 to $4, got '$2'" ;; esac
  if [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then usage_error "$1: must be a number from $3 to $4, got '$2'"; fi
}

usage_error() { die "$EXIT_USAGE" "$*. Run \`sh layout.sh --help\` for the flags"; }

# a_model VALUE: FOLDER or FOLDER=SHA256, where FOLDER stays below the target.
a_model() {
  a_model_folder=${1%%=*}
  case $a_model_folder in
    '' | /* | */ | *//* | *[!A-Za-z0-9._/-]*) usage_error "--model: must be a folder below the store, got '$1'" ;;
  esac
  case /$a_model_folder/ in */../* | */./* | */.partial/*) usage_error "--model: must be a folder below the store, got '$1'" ;; esac
  case $1 in
    *=*)
      a_model_sum=${1#*=}
      case $a_model_sum in *[!0-9a-f]*) usage_error "--model: after = comes a SHA-256 in 64 hexadecimal digits, got '$a_model_sum'" ;; esac
      [ "${#a_model_sum}" -eq 64 ] || usage_error "--model: after = comes a SHA-256 in 64 hexadecimal digits, got '$a_model_sum'"
      ;;
  esac
  MODELS="$MODELS $1"
}

SOURCE='' TARGET='' MODELS='' STREAMS=8 JOBS='' VERIFY=quick LOCK_SECONDS=3600

read_flags() {
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help)
        usage
        exit 0
        ;;
      --source | --target | --model | --streams | --jobs | --verify | --lock-seconds) [ $# -ge 2 ] || usage_error "$1 needs a value" ;;
      *) usage_error "unknown flag '$1'" ;;
    esac
    case $1 in
      --source) SOURCE=${2%/} ;;
      --target) TARGET=${2%/} ;;
      --model) a_model "$2" ;;
      --streams) a_number "$1" "$2" 1 64 && STREAMS=$2 ;;
      --jobs) a_number "$1" "$2" 1 1024 && JOBS=$2 ;;
      --verify)
        case $2 in quick | full) VERIFY=$2 ;; *) usage_error "--verify: must be quick or full, got '$2'" ;; esac
        ;;
      --lock-seconds) a_number "$1" "$2" 0 604800 && LOCK_SECONDS=$2 ;;
    esac
    shift 2
  done
  [ -n "$SOURCE" ] || usage_error '--source is needed'
  [ -n "$TARGET" ] || usage_error '--target is needed'
  [ -n "$MODELS" ] || usage_error '--model is needed'
  [ -n "$JOBS" ] || JOBS=$(nproc 2>/dev/null || echo 2)
}

# ---------------------------------------------------------------- the store

# Layout is never in a hurry before those who answer requests: it reads and writes after them where the system knows how.
gently() {
  if command -v ionice >/dev/null 2>&1; then set -- ionice -c 2 -n 7 "$@"; fi
  if command -v nice >/dev/null 2>&1; then set -- nice -n 10 "$@"; fi
  "$@"
}

# store ARGUMENTS: rclone, in the background, so that the end of a pod is heard. Its words are left in $WORK/said.
store() {
  gently rclone --config '' --contimeout 15s --timeout 60s --retries 1 --low-level-retries 3 --copy-links "$@" 2>"$WORK/said" &
  CHILD=$!
  store_status=0
  wait "$CHILD" || store_status=$?
  CHILD=''
  return "$store_status"
}

# reason: rclone's last words without time stamps.
reason() {
  reason_text=$(grep -v -e ' NOTICE: ' -e ' DEBUG : ' "$WORK/said" | sed 's/^[0-9/]* [0-9:]* [A-Z]* *: //' | tail -n 2 | tr '\n' ' ')
  printf '%s' "${reason_text:-rclone gave no reason}"
}

# fetch_manifest FOLDER FILE: status 1 where the store has none, 2 where it does not answer.
fetch_manifest() {
  fetch_status=0
  store cat --head "$((MANIFEST_LIMIT_BYTES + 1))" "$SOURCE/$1/$MANIFEST" >"$2" || fetch_status=$?
  case $fetch_status in
    0) [ -s "$2" ] || return 1 ;;
    # rclone: directory not found, file not found.
    3 | 4) return 1 ;;
    *) return 2 ;;
  esac
}

# ---------------------------------------------------------------- the manifest

# read_manifest FILE LIST PROBLEMS: writes `sum  path` lines to LIST and what is wrong to PROBLEMS. A manifest comes from
# another machine: nothing in it may lead out of the model's folder or into a command line.
read_manifest() {
  awk -v list="$2" -v itself="$MANIFEST" '
    function wrong(what) { printf "line %d %s\n", NR, what }
    /[^ -~]/ { wrong("has a control character or one outside ASCII"); next }
    {
      sum = substr($0, 1, 64); path = substr($0, 67)
      if (length(sum) < 64 || sum ~ /[^0-9a-f]/ || (substr($0, 65, 2) != "  " && substr($0, 65, 2) != " *")) { wrong("is not in the format of sha256sum"); next }
      sub(/^\.\//, "", path)
      if (path == "") { wrong("names no file"); next }
      if (substr(path, 1, 1) == "/") { wrong("names the absolute path " path); next }
      if (("/" path "/") ~ /\/\.\.?\//) { wrong("names the path " path ", which leads elsewhere"); next }
      if (path ~ /[^A-Za-z0-9 ._+=@,:()\/-]/ || path ~ /\/\// || path ~ /\/$/) { wrong("names the path " path ", which has other characters than letters, digits, blanks and ._+=@,:()-"); next }
      if (path ~ /^\.(partial|complete|superseded)/ || path == itself) { wrong("names " path ", which the layout keeps for itself"); next }
      if (path in seen) { wrong("names " path " a second time"); next }
      seen[path] = NR
      print sum "  " path > list
    }
    END {
      for (path in seen) {
        parent = path
        while (sub(/\/[^\/]*$/, "", parent)) if (parent in seen) printf "line %d names %s below the file %s\n", seen[path], path, parent
      }
      if (NR == 0) print "it is empty"
    }' "$1" >"$3"
}

# ---------------------------------------------------------------- what is there

# sums FOLDER: reads paths, prints `sum  path` for those that exist, several at a time.
sums() {
  (cd "$1" 2>/dev/null || exit 0; tr '\n' '\0' | gently xargs -0 -n 1 -P "$JOBS" sha256sum -- 2>/dev/null || true)
}

# sizes FOLDER: reads paths, prints `size mtime path` for those that exist.
sizes() {
  (cd "$1" 2>/dev/null || exit 0; tr '\n' '\0' | xargs -0 -n 100 stat -c '%s %Y %n' -- 2>/dev/null || true)
}

# paths LIST: the paths of `sum  path` lines.
paths() { cut -c 67- "$1"; }

# matching LIST: of the `sum  path` lines on standard input, those that are also in LIST.
matching() { awk 'FILENAME == ARGV[1] { wanted[$0]; next } $0 in wanted' "$1" -; }

# without LIST: of the `sum  path` lines on standard input, those that are not in LIST.
without() { awk -v list="$1" 'BEGIN { while ((getline line < list) > 0) unwanted[line] } !($0 in unwanted)'; }

# judge_in_place FOLDER WORK: writes to WORK/right the wanted lines that FOLDER holds already, and to WORK/damaged what was right once. What the last run recorded is
# trusted as long as size and time are the recorded ones.
judge_in_place() {
  : >"$2/right"
  : >"$2/known"
  if [ "$VERIFY" = quick ] && [ -s "$2/record" ]; then
    paths "$2/wanted" | sizes "$1" >"$2/sizes"
    # Record lines are `sum size mtime path`; known ones are judged without reading the file.
    awk 'FILENAME == ARGV[1] { sum = $1; sub(/^[^ ]* /, ""); recorded[$0] = sum; next } $0 in recorded { path = $0; sub(/^[^ ]* [^ ]* /, "", path); print recorded[$0] "  " path }' \
      "$2/record" "$2/sizes" >"$2/known"
    matching "$2/wanted" <"$2/known" >"$2/right"
  fi
  awk 'FILENAME == ARGV[1] { known[substr($0, 67)]; next } !(substr($0, 67) in known)' "$2/known" "$2/wanted" >"$2/unknown"
  paths "$2/unknown" | sums "$1" >"$2/read"
  matching "$2/wanted" <"$2/read" >>"$2/right"
  # What was right under this very manifest and is not any more has been damaged on the hot tier.
  : >"$2/damaged"
  [ ! -s "$2/record" ] || awk -v record="$2/record" '
    BEGIN { while ((getline line < record) > 0) { sum = substr(line, 1, 64); path = line; sub(/^[^ ]* [^ ]* [^ ]* /, "", path); recorded[sum "  " path] } }
    FILENAME == ARGV[1] { actual[substr($0, 67)] = substr($0, 1, 64); next }
    { path = substr($0, 67); sum = substr($0, 1, 64); got = path in actual ? actual[path] : "nothing"; if (got != sum && $0 in recorded) print sum, got, path }' "$2/read" "$2/unknown" >"$2/damaged"
}

# name_bad FOLDER LIST: says which files of `expected actual path` lines are not as wanted.
name_bad() {
  while read -r bad_expected bad_actual bad_path; do
    say "$1: $bad_path is corrupted or missing: expected $bad_expected, got $bad_actual"
    event bad-file "\"model\":\"$1\",\"file\":\"$(json_text "$bad_path")\",\"expected\":\"$bad_expected\",\"actual\":\"$bad_actual\""
  done <"$2"
}

# judge_partial FOLDER WORK: writes to WORK/staged what an earlier run left complete in .partial, and removes the rest of it.
judge_partial() {
  without "$2/right" <"$2/wanted" >"$2/open"
  : >"$2/staged"
  [ -d "$1/.partial" ] || return 0
  paths "$2/open" | sums "$1/.partial" | matching "$2/open" >"$2/staged"
  paths "$2/staged" >"$2/keep"
  (cd "$1/.partial" && find . ! -type d) | sed 's/^\.\///' | without "$2/keep" >"$2/leftovers"
  while IFS= read -r leftover; do rm -f -- "$1/.partial/$leftover"; done <"$2/leftovers"
}

# ---------------------------------------------------------------- planning

# prepare FOLDER PIN WORK: decides what is to be copied for one model, and touches nothing but leftovers in .partial.
prepare() {
  prepare_dir=$TARGET/$1
  : >"$3/record"
  prepare_complete=''
  for prepare_file in "$prepare_dir/.superseded" "$prepare_dir/.complete"; do
    if [ -f "$prepare_file" ]; then tail -n +2 "$prepare_file" >>"$3/record"; fi
  done
  if [ -f "$prepare_dir/.complete" ]; then prepare_complete=$(sed -n '1s/^manifest //p' "$prepare_dir/.complete"); fi
  prepare_kept=''
  if [ -n "$prepare_complete" ] && [ -f "$prepare_dir/$MANIFEST" ]; then prepare_kept=$(sha256sum <"$prepare_dir/$MANIFEST" | cut -c 1-64); fi
  [ "$prepare_kept" = "$prepare_complete" ] || prepare_kept=''

  if [ -n "$2" ] && [ "$prepare_kept" = "$2" ]; then
    cp -- "$prepare_dir/$MANIFEST" "$3/manifest"
  else
    prepare_fetched=0
    fetch_manifest "$1" "$3/manifest" || prepare_fetched=$?
    if [ "$prepare_fetched" -ne 0 ]; then
      if [ -n "$prepare_kept" ] && [ -z "$2" ] && [ "$prepare_fetched" -eq 2 ]; then
        # What is complete serves on: a store that is down must not stop a restart.
        say "$1: the store does not answer ($(reason)); what is laid out is kept"
        event store-unreachable "\"model\":\"$1\",\"message\":\"$(json_text "$(reason)")\""
        cp -- "$prepare_dir/$MANIFEST" "$3/manifest"
      elif [ "$prepare_fetched" -eq 1 ]; then
        die "$EXIT_SOURCE" "$1: the store has no $1/$MANIFEST in $SOURCE. Make it where the weights are put into the store: cd FOLDER && find . -type f ! -name $MANIFEST -printf '%P\\0' | sort -z | xargs -0 sha256sum >$MANIFEST"
      else
        die "$EXIT_SOURCE" "$1: the store does not answer: $(reason)"
      fi
    fi
    [ "$(wc -c <"$3/manifest")" -le "$MANIFEST_LIMIT_BYTES" ] || die "$EXIT_MANIFEST" "$1: $MANIFEST has more than $MANIFEST_LIMIT_BYTES bytes"
    prepare_sum=$(sha256sum <"$3/manifest" | cut -c 1-64)
    [ -z "$2" ] || [ "$prepare_sum" = "$2" ] ||
      die "$EXIT_MANIFEST" "$1: $MANIFEST has the SHA-256 $prepare_sum, the environment pins $2. Somebody has changed the weights in the store: find out who, or pin the new one"
  fi
  sha256sum <"$3/manifest" | cut -c 1-64 >"$3/sum"

  : >"$3/wanted"
  read_manifest "$3/manifest" "$3/wanted" "$3/problems"
  [ ! -s "$3/problems" ] || die "$EXIT_MANIFEST" "$1: $MANIFEST is refused: $(some "$3/problems")"

  judge_in_place "$prepare_dir" "$3"
  judge_partial "$prepare_dir" "$3"
  name_bad "$1" "$3/damaged"
  without "$3/staged" <"$3/open" >"$3/needed"
  : >"$3/bytes"
  if [ -s "$3/needed" ]; then
    store lsf --recursive --fast-list --files-only --format sp --separator ' ' "$SOURCE/$1" >"$3/listing" || die "$EXIT_SOURCE" "$1: the store does not list its files: $(reason)"
    awk -v bytes="$3/bytes" '
      FILENAME == ARGV[1] { path = $0; sub(/^[^ ]* /, "", path); size[path] = $1; next }
      { path = substr($0, 67); if (path in size) total += size[path]; else print path }
      END { printf "%.0f", total > bytes }' "$3/listing" "$3/needed" >"$3/missing"
    [ ! -s "$3/missing" ] || die "$EXIT_SOURCE" "$1: $MANIFEST lists files that the store does not have: $(some "$3/missing")"
  else
    printf 0 >"$3/bytes"
  fi
  event plan "\"model\":\"$1\",\"files\":$(count_lines "$3/wanted"),\"right\":$(count_lines "$3/right"),\"resumed\":$(count_lines "$3/staged"),\"toCopy\":$(count_lines "$3/needed"),\"bytesToCopy\":$(cat "$3/bytes")"
}

# unused: `bytes folder` of complete models on the target that this run was not asked for.
unused() {
  find "$TARGET" -mindepth 2 -maxdepth 6 -name .complete | sed "s:^$TARGET/::; s:/\.complete\$::" | while IFS= read -r unused_folder; do
    case " $(printf '%s' "$MODELS" | sed 's/=[0-9a-f]*//g') " in *" $unused_folder "*) continue ;; esac
    awk -v folder="$unused_folder" 'NR > 1 { total += $2 } END { printf "%.0f %s\n", total, folder }' "$TARGET/$unused_folder/.complete"
  done
}

# check_room BYTES: ends the run before the first byte is copied where the hot tier cannot take them.
check_room() {
  room_free=$(df -Pk "$TARGET" | awk 'NR == 2 { printf "%.0f", $4 * 1024 }')
  # One percent more, for the file system's own records.
  room_needed=$(awk -v bytes="$1" 'BEGIN { printf "%.0f", bytes * 1.01 }')
  [ "$room_needed" -gt "$room_free" ] || return 0
  room_unused=$(unused | while read -r room_bytes room_folder; do printf '%s (%s), ' "$room_folder" "$(human "$room_bytes")"; done)
  die "$EXIT_FULL" "the hot tier is too full: $room_needed bytes ($(human "$room_needed")) are needed and $room_free bytes ($(human "$room_free")) are free on $TARGET; nothing was copied. ${room_unused:+No service here uses ${room_unused%, }: remove what is not needed, }${room_unused:-Remove what is not needed, }or give the hot tier larger drives"
}

# ---------------------------------------------------------------- copying

# copy FOLDER LIST: fetches the listed files into .partial. What did not come is seen when it is verified.
copy() {
  paths "$2" >"$WORK/files-from"
  store copy --transfers "$STREAMS" --checkers "$STREAMS" --multi-thread-streams 4 --no-check-dest --ignore-checksum --stats 0 \
    --files-from-raw "$WORK/files-from" "$SOURCE/$1" "$TARGET/$1/.partial" || say "$1: $(reason)"
}

# verify FOLDER LIST BAD: writes to BAD `expected  actual path` of the listed files in .partial that are not as wanted; removes them.
verify() {
  paths "$2" | sums "$TARGET/$1/.partial" >"$WORK/actual"
  awk 'FILENAME == ARGV[1] { actual[substr($0, 67)] = substr($0, 1, 64); next }
    { path = substr($0, 67); sum = substr($0, 1, 64); got = path in actual ? actual[path] : "nothing"; if (got != sum) print sum, got, path }' "$WORK/actual" "$2" >"$3"
  while read -r _ _ verify_path; do rm -f -- "$TARGET/$1/.partial/$verify_path"; done <"$3"
  name_bad "$1" "$3"
}

# fetch FOLDER WORK: copies and verifies what is needed; what is bad is fetched once more.
fetch() {
  [ -s "$2/needed" ] || return 0
  mkdir -p -- "$TARGET/$1/.partial"
  copy "$1" "$2/needed"
  verify "$1" "$2/needed" "$2/bad"
  [ -s "$2/bad" ] || return 0
  ! grep -qi 'no space left' "$WORK/said" || die "$EXIT_FULL" "$1: the hot tier filled up while files were copied, so something else writes to $TARGET: $(reason)"
  awk '{ sum = $1; sub(/^[^ ]* [^ ]* /, ""); print sum "  " $0 }' "$2/bad" >"$2/again"
  REFETCHED=$((REFETCHED + $(count_lines "$2/again")))
  say "$1: fetching again: $(paths "$2/again" | tr '\n' ' ')"
  copy "$1" "$2/again"
  verify "$1" "$2/again" "$2/bad"
  [ -s "$2/bad" ] || return 0
  if awk '$2 != "nothing" { wrong = 1 } END { exit !wrong }' "$2/bad"; then
    awk '{ sum = $1; got = $2; sub(/^[^ ]* [^ ]* /, ""); print $0 ": expected " sum ", got " got }' "$2/bad" >"$2/words"
    die "$EXIT_CHECKSUM" "$1: wrong checksum twice: $(some "$2/words"). Put good copies into the store"
  fi
  awk '{ sub(/^[^ ]* [^ ]* /, ""); print }' "$2/bad" >"$2/words"
  die "$EXIT_SOURCE" "$1: the store did not deliver $(some "$2/words"): $(reason)"
}

# flush FILE ...: onto the drives.
flush() { sync -- "$@" 2>/dev/null || sync; }

# publish FOLDER WORK: moves verified files into place and says last of all that the folder is complete.
publish() {
  publish_dir=$TARGET/$1
  mkdir -p -- "$publish_dir/.partial"
  cat "$2/staged" "$2/needed" >"$2/fresh"
  # From here on the folder is between two manifests: the record of the old one stays until its stale files are gone.
  if [ -f "$publish_dir/.complete" ]; then
    cp -- "$publish_dir/.complete" "$publish_dir/.superseded.new"
    if [ -f "$publish_dir/.superseded" ]; then tail -n +2 "$publish_dir/.superseded" >>"$publish_dir/.superseded.new"; fi
    mv -f -- "$publish_dir/.superseded.new" "$publish_dir/.superseded"
    rm -f -- "$publish_dir/.complete"
  fi
  paths "$2/fresh" >"$2/moves"
  while IFS= read -r publish_path; do
    case $publish_path in */*) mkdir -p -- "$publish_dir/${publish_path%/*}" ;; esac
    mv -f -- "$publish_dir/.partial/$publish_path" "$publish_dir/$publish_path"
  done <"$2/moves"
  cp -- "$2/manifest" "$publish_dir/.partial/$MANIFEST"
  mv -f -- "$publish_dir/.partial/$MANIFEST" "$publish_dir/$MANIFEST"
  # Weights reach the drives before the mark that says so.
  sync -f "$publish_dir" 2>/dev/null || sync

  printf 'manifest %s\n' "$(cat "$2/sum")" >"$publish_dir/.partial/complete"
  paths "$2/wanted" | sizes "$publish_dir" | awk 'FILENAME == ARGV[1] { sum[substr($0, 67)] = substr($0, 1, 64); next } { path = $0; sub(/^[^ ]* [^ ]* /, "", path); print sum[path], $0 }' "$2/wanted" - >>"$publish_dir/.partial/complete"
  flush "$publish_dir/.partial/complete"
  mv -f -- "$publish_dir/.partial/complete" "$publish_dir/.complete"
  flush "$publish_dir"
  rm -rf -- "$publish_dir/.partial"
}

# remove_stale FOLDER WORK: files of an older manifest of the same model that the current one does not list.
remove_stale() {
  [ -f "$TARGET/$1/.superseded" ] || return 0
  tail -n +2 "$TARGET/$1/.superseded" | sed 's/^[^ ]* [^ ]* [^ ]* //' | sort -u >"$2/former"
  paths "$2/wanted" >"$2/current"
  without "$2/current" <"$2/former" >"$2/stale"
  while IFS= read -r stale_path; do
    rm -f -- "$TARGET/$1/$stale_path"
    # Empty folders go with their last file.
    while case $stale_path in */*) true ;; *) false ;; esac; do
      stale_path=${stale_path%/*}
      rmdir -- "$TARGET/$1/$stale_path" 2>/dev/null || break
    done
  done <"$2/stale"
  rm -f -- "$TARGET/$1/.superseded"
  [ ! -s "$2/stale" ] || event removed-stale "\"model\":\"$1\",\"files\":$(count_lines "$2/stale")"
}

# lay_out FOLDER WORK
lay_out() {
  if [ ! -s "$2/needed" ] && [ ! -s "$2/staged" ] && [ -f "$TARGET/$1/.complete" ] && [ "$(sed -n '1s/^manifest //p' "$TARGET/$1/.complete")" = "$(cat "$2/sum")" ]; then
    event complete "\"model\":\"$1\",\"manifestSha256\":\"$(cat "$2/sum")\",\"copied\":0"
  else
    fetch "$1" "$2"
    publish "$1" "$2"
    event complete "\"model\":\"$1\",\"manifestSha256\":\"$(cat "$2/sum")\",\"copied\":$(count_lines "$2/needed")"
  fi
  remove_stale "$1" "$2"
}

# ---------------------------------------------------------------- the run

take_lock() {
  [ -d "$TARGET" ] || die "$EXIT_TARGET" "$TARGET is not a folder: the hot tier is not mounted"
  (: >>"$TARGET/.layout.lock") 2>/dev/null || die "$EXIT_TARGET" "$TARGET cannot be written to by user $(id -u): its owner must be that user"
  exec 9>>"$TARGET/.layout.lock"
  lock_waited=0
  until flock -n 9; do
    [ "$lock_waited" -gt 0 ] || { say "another run holds $TARGET; waiting"; event waiting "\"target\":\"$(json_text "$TARGET")\""; }
    [ "$lock_waited" -lt "$LOCK_SECONDS" ] || die "$EXIT_TARGET" "another run has held $TARGET/.layout.lock for $LOCK_SECONDS s"
    sleep 1
    lock_waited=$((lock_waited + 1))
  done
}

stop() {
  [ -z "$CHILD" ] || kill "$CHILD" 2>/dev/null || true
  say 'stopped; what has arrived is kept for the next run'
  exit 143
}

# each COMMAND: runs COMMAND FOLDER PIN WORK for every model.
each() {
  each_index=0
  for each_model in $MODELS; do
    each_index=$((each_index + 1))
    each_pin=''
    case $each_model in *=*) each_pin=${each_model#*=} ;; esac
    mkdir -p "$WORK/$each_index"
    "$1" "${each_model%%=*}" "$each_pin" "$WORK/$each_index"
  done
}

add_up() { TOTAL_BYTES=$((TOTAL_BYTES + $(cat "$3/bytes"))) TOTAL_FILES=$((TOTAL_FILES + $(count_lines "$3/needed"))) TOTAL_KEPT=$((TOTAL_KEPT + $(count_lines "$3/right"))); }
lay_out_one() { lay_out "$1" "$3"; }

STARTED=$(date +%s) WORK='' CHILD='' REFETCHED=0 TOTAL_BYTES=0 TOTAL_FILES=0 TOTAL_KEPT=0
read_flags "$@"
for program in rclone sha256sum flock xargs; do
  command -v "$program" >/dev/null 2>&1 || die "$EXIT_TARGET" "$program is not installed"
done
WORK=$(mktemp -d)
trap 'rm -rf -- "$WORK"' EXIT
trap stop TERM INT HUP
take_lock
each prepare
each add_up
check_room "$TOTAL_BYTES"
each lay_out_one
unused >"$WORK/unused"
while read -r unused_bytes unused_folder; do event unused "\"model\":\"$unused_folder\",\"bytes\":$unused_bytes"; done <"$WORK/unused"
event summary "\"ok\":true,\"models\":$(printf '%s\n' "$MODELS" | wc -w | tr -d ' '),\"filesKept\":$TOTAL_KEPT,\"filesCopied\":$TOTAL_FILES,\"bytesCopied\":$TOTAL_BYTES,\"fetchedAgain\":$REFETCHED,\"seconds\":$(seconds_taken)"
