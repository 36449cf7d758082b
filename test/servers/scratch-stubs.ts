/** systemctl as far as the host scripts listen: what is enabled and active is in files, and every call is on record. */
export const systemctl = `
folder=/run/systemctl; mkdir -p $folder
words=(); for word in "$@"; do [[ $word == --* ]] || words+=("$word"); done
unit=\${words[1]:-}; unit=\${unit%.service}
case \${words[0]} in
  is-*) ;;
  *) echo "\${words[*]}" >>$folder/calls ;;
esac
case \${words[0]} in
  enable) touch $folder/enabled-$unit ;;
  disable) rm -f $folder/enabled-$unit $folder/active-$unit ;;
  start | restart | reload-or-restart | reload) [[ ! -e $folder/broken-$unit ]] && touch $folder/active-$unit ;;
  is-enabled) [[ -e $folder/enabled-$unit ]] ;;
  is-active) [[ -e $folder/active-$unit ]] ;;
  is-failed) [[ -e $folder/failed-$unit ]] ;;
esac`;

const dpkg = `
mkdir -p /run/packages
case $1 in
  --show) [[ -e /run/packages/\${!#} ]] && echo "installed 1.0" ;;
  --audit) ;;
esac`;

/** What asks for packages: those are installed that have a file in /run/packages, and 1.0 of each is to be had. */
export const packages = { "dpkg-query": dpkg, dpkg, "apt-cache": 'echo "  Candidate: 1.0"', "apt-mark": "exit 0" };
