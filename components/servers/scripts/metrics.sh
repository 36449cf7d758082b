# shellcheck shell=bash
# Metrics in Prometheus' text format: collected family by family, then put in place as one whole file. Sourced by the
# scripts that measure.

FAMILIES=()
declare -A FAMILY_TYPE=() FAMILY_HELP=() FAMILY_SAMPLES=()

# gauge NAME HELP, counter NAME HELP: a family; its samples follow.
gauge() { family gauge "$@"; }
counter() { family counter "$@"; }
family() {
  FAMILIES+=("$2")
  FAMILY_TYPE[$2]=$1 FAMILY_HELP[$2]=$3 FAMILY_SAMPLES[$2]=''
}

# sample NAME LABELS VALUE: LABELS as they stand in the braces; their values need no escapes, for flags let no such letters in.
sample() { FAMILY_SAMPLES[$1]+="$1{$2} $3"$'\n'; }

# is_number TEXT: a plain decimal number, as programs print measurements.
is_number() { [[ $1 =~ ^-?[0-9]+(\.[0-9]+)?$ ]]; }

# publish NAME: replaces FOLDER/NAME.prom. node_exporter never sees half of a file: what is being written ends otherwise.
publish() {
  local family fresh
  # Of a run that was cut off.
  rm -f -- "$FOLDER/.$1".* 2>/dev/null || true
  fresh=$(mktemp -- "$FOLDER/.$1.XXXXXX" 2>/dev/null) || fail "$FOLDER cannot be written to"
  {
    for family in "${FAMILIES[@]}"; do
      [[ -n ${FAMILY_SAMPLES[$family]} ]] || continue
      printf '# HELP %s %s\n# TYPE %s %s\n%s' "$family" "${FAMILY_HELP[$family]}" "$family" "${FAMILY_TYPE[$family]}" "${FAMILY_SAMPLES[$family]}"
    done
  } >"$fresh"
  chmod 644 "$fresh"
  mv -f -- "$fresh" "$FOLDER/$1.prom"
}
