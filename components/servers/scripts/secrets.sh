# shellcheck shell=bash
# Files of their own for secrets, which come on standard input; sourced by the steps that have some.

# A row for each: NAME=PATH=USER.
SECRETS=()
declare -A SECRET_VALUES=()
readonly LONGEST_SECRET=4096

# read_secrets: lines `NAME VALUE` from standard input. Values are never part of a message.
read_secrets() {
  local name value wanted known
  [[ ! -t 0 ]] || return 0
  while IFS=' ' read -r -t 30 name value || [[ -n ${name:-} ]]; do
    known=no
    for wanted in "${SECRETS[@]}"; do [[ ${wanted%%=*} != "$name" ]] || known=yes; done
    [[ $known == yes ]] || usage_error 'a line on standard input does not begin with the name of a secret'
    [[ -n $value && ${#value} -le $LONGEST_SECRET && $value =~ ^[[:print:]]+$ ]] || usage_error "the secret $name on standard input is empty, too long, or not printable text"
    SECRET_VALUES[$name]=$value
    name=''
  done
}

# each_secret COMMAND: COMMAND NAME PATH USER
each_secret() {
  local row name path
  for row in "${SECRETS[@]}"; do
    name=${row%%=*} path=${row#*=}
    "$1" "$name" "${path%=*}" "${path##*=}"
  done
}

secret_is_kept() { [[ -s $1 && $(stat --format='%a %U' -- "$1") == "400 $2" ]]; }

expect_secret() { secret_is_kept "$2" "$3" || finding secret "$2 is missing, or can be read by others than $3" true; }

ensure_secret() {
  local name=$1 path=$2 user=$3 value=${SECRET_VALUES[$1]:-}
  if [[ -z $value ]]; then
    [[ -s $path ]] || usage_error "the secret $name is expected on standard input, in a line \`$name VALUE\`"
  elif ! file_is "$path" "$value"; then
    write_file "$path" 400 "$value"
    changed "wrote $path"
    # shellcheck disable=SC2034 # read by monitoring-services.sh
    RESTART_ALL=yes
  fi
  secret_is_kept "$path" "$user" || {
    chown "$user" "$path"
    chmod 400 "$path"
    changed "gave $path to $user"
  }
}

