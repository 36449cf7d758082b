# shellcheck shell=bash
# shellcheck disable=SC2153 # collect-metrics.sh, which sources this, reads the flags
# The newest whole checkpoint of each training job, as metrics. What is whole is said in docs/training.md; this looks only at
# names, markers and the ends of files, so that it costs next to nothing.

readonly CHECKPOINT_NAME='^(step-|global_step)([0-9]{1,15})$'

# step_in NAME: the step that a checkpoint is named by; status 1 where it is no checkpoint's name.
step_in() {
  [[ $1 =~ $CHECKPOINT_NAME ]] || return 1
  printf '%d' "$((10#${BASH_REMATCH[2]}))"
}

changed_at() { stat --format=%Y -- "$1"; }

# first_line FILE: the beginning of a small text file, or nothing.
first_line() { head --bytes=200 -- "$1" 2>/dev/null | tr -d '\0\n\r ' || true; }

# marked_at FOLDER STEP: when our marker says that it was whole, or torch's own index was written. Status 1: neither.
marked_at() {
  local marker
  if [[ -f $1/.complete ]]; then
    marker=$(first_line "$1/.complete")
    [[ $marker =~ ^[0-9]{1,15}$ ]] && ((10#$marker == $2)) || return 1
    changed_at "$1/.complete"
  else
    [[ -s $1/.metadata ]] || return 1
    changed_at "$1/.metadata"
  fi
}

# parts_at FOLDER PROCESSES: when the last of DeepSpeed's files was written. Status 1: some are missing or cut off.
parts_at() {
  local part newest=0 at optimizers=0
  for part in "$1"/*.pt; do
    # An archive ends with this record, which torch writes last and without a comment.
    [[ -f $part && $(tail --bytes=22 -- "$part" | head --bytes=4 | tr -d '\0') == $'PK\x05\x06' ]] || return 1
    [[ $part != *_optim_states.pt ]] || optimizers=$((optimizers + 1))
    at=$(changed_at "$part")
    ((at <= newest)) || newest=$at
  done
  ((optimizers == 0 || optimizers >= $2)) || return 1
  printf '%s' "$newest"
}

# whole_at ROOT NAME STEP PROCESSES LEADS: when a checkpoint became whole on this server. Status 1: it is not.
whole_at() {
  local latest
  if [[ $2 == step-* ]]; then
    marked_at "$1/$2" "$3"
  else
    # DeepSpeed names a checkpoint in `latest` on the first server only, when it believes it whole.
    if [[ $5 == yes ]]; then
      latest=$(step_in "$(first_line "$1/latest")") && ((latest >= $3)) || return 1
    fi
    parts_at "$1/$2" "$4"
  fi
}

# checkpoints_in ROOT: `step name` of everything that is named as a checkpoint, newest first.
checkpoints_in() {
  local path step
  for path in "$1"/*; do
    [[ -d $path && ! -L $path ]] || continue
    step=$(step_in "${path##*/}") || continue
    printf '%s %s\n' "$step" "${path##*/}"
  done | sort --key=1,1nr --key=2,2r
}

collect_checkpoints() {
  local line job processes leads root step name at
  gauge rackwright_checkpoint_step 'Step of the newest whole checkpoint of a training job on this server.'
  gauge rackwright_checkpoint_timestamp_seconds 'When the newest whole checkpoint of a training job on this server was written.'
  for line in "${JOBS[@]}"; do
    root=${line#*=}
    IFS=: read -r job processes leads <<<"${line%%=*}"
    while read -r step name; do
      at=$(whole_at "$root" "$name" "$step" "$processes" "$leads") || continue
      sample rackwright_checkpoint_step "name=\"$job\"" "$step"
      sample rackwright_checkpoint_timestamp_seconds "name=\"$job\"" "$at"
      break
    done < <(checkpoints_in "$root")
  done
}
