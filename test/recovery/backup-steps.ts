import { packages, systemctl } from "../servers/scratch-stubs";

export const library = "/usr/local/lib/rackwright";
export const units = "/etc/systemd/system";
export const hostKey = "ssh-ed25519=AAAAC3NzaC1lZDI1NTE5AAAAIIkzRIZLK6CHZpHv6R778lKRtfnFPfEeF1bY9YVCxP16";
export const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPW9/wLJkocHqk41ZJdP8+0cp3yHW48uk7R7mn2iEVmq";
export const source = ["--server", "gpu-01", "--every-hours", "24", "--checkpoints", "tune:4:yes=/srv/warm/checkpoints/tune", "--cluster", "sqlite", "--store", "10.0.0.9:2222", "--store-key", hostKey, "--metrics-folder", "/var/lib/rackwright/metrics", "--package", "restic", "--step", "gpu-01-backup"];
export const store = ["--repository", "gpu-01=checkpoints,cluster", "--repository", "store-01=cluster", "--remote", "gpu-01", "--folder", "/srv/cold/backup", "--keep-daily", "7", "--keep-weekly", "4", "--package", "restic", "--package", "rclone", "--step", "store-01-backup-store"];

/** Users, owners and the tier are the machine's: here they are files, and restic opens a repository with the password that made it. */
export const stubs = {
  systemctl,
  ...packages,
  "apt-get": 'mkdir -p /run/packages; for word in "$@"; do case $word in *=1.0) touch /run/packages/${word%=1.0} ;; esac; done',
  chown: "exit 0",
  getent: '[[ -e /run/login ]] && cat /run/login',
  useradd: 'echo "rackwright-backup:x:999:999::/var/lib/rackwright-backup:/bin/sh" >/run/login; echo "$*" >>/run/useradd',
  install: `
owner=root mode=755; words=(); for word in "$@"; do case $word in --owner=*) owner=\${word#*=} ;; --mode=*) mode=\${word#*=} ;; --*) ;; *) words+=("$word") ;; esac; done
path=\${words[-1]}; case "$*" in *--directory*) mkdir -p "$path" ;; *) : >"$path" ;; esac
mkdir -p /run/owners; echo "$owner $mode" >"/run/owners/\${path//\\//_}"`,
  setpriv: 'while [[ $1 == --* ]]; do shift; done; exec "$@"',
  stat: `
path=\${!#}; owner=$(cat "/run/owners/\${path//\\//_}" 2>/dev/null || echo root 755)
case "$*" in
  *'%U %a'*) echo "$owner" ;;
  *'%a %U'*) echo "$([[ $path == */key ]] && echo 600 || echo 400) root" ;;
  *%U*) [[ -e $path ]] && echo "\${owner% *}" ;;
  *%d*) case $path in /srv/*) [[ -e /run/mounted ]] && echo 9 || echo 1 ;; *) echo 1 ;; esac ;;
  *) exec /usr/bin/stat "$@" ;;
esac`,
  restic: `
while [[ $1 == --* ]]; do case $1 in --repo) repository=$2; shift 2 ;; --option) shift 2 ;; *) shift ;; esac; done
read -r password; echo "$*" >>/run/restic
case $* in
  *init*) mkdir -p "$repository/data"; echo "$password" >"$repository/config" ;;
  *'cat config'*) [[ -f $repository/config ]] || { echo 'Fatal: unable to open config file: Is there a repository at the following location?' >&2; exit 1; }
    [[ $(<"$repository/config") == "$password" ]] || { echo 'Fatal: wrong password or no key found' >&2; exit 1; } ;;
esac`,
};
