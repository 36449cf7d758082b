# shellcheck shell=bash
# shellcheck disable=SC2153,SC2154 # collect-metrics.sh, which sources this, reads the flags
# What drives say of themselves, and when the certificates on a server end, as metrics.

# smart_report DEVICE: `json.path = value;` in lines, which needs no parser of JSON. A drive that sleeps is not woken.
smart_report() {
  timeout --kill-after=5 40 smartctl --json=g --nocheck=standby --health --attributes --log=devstat "$1" 2>/dev/null || true
}

# read_report: from a report on standard input `asleep`, or lines of what a drive tells: healthy, wear, temperature, errors.
# Media errors are an NVMe drive's own count; of ATA drives sectors that were replaced (5), reported as lost (187) or wait
# to be replaced (197). Wear is the endurance indicator that all newer drives have, else the maker's attribute, which
# counts down from 100.
read_report() {
  awk '
    function number(text) { return text ~ /^-?[0-9]+(\.[0-9]+)?$/ }
    !/^json\./ { next }
    {
      key = $1
      value = substr($0, index($0, " = ") + 3)
      sub(/;[[:space:]]*$/, "", value)
      gsub(/^"|"$/, "", value)
      place = key
      sub(/\.[^.]*$/, "", place)
    }
    key ~ /^json\.smartctl\.messages\[[0-9]+\]\.string$/ && value ~ /(STANDBY|SLEEP)/ { asleep = 1 }
    key == "json.smart_status.passed" && value ~ /^(true|false)$/ { healthy = value == "true" ? 1 : 0; told = 1 }
    key == "json.rotation_rate" { flash = value == "0" }
    key == "json.temperature.current" && number(value) { temperature = value }
    key ~ /^json\.nvme_smart_health_information_log\.percentage_used$|^json\.endurance_used\.current_percent$|^json\.scsi_percentage_used_endurance_indicator$/ && number(value) { used = value }
    key == "json.nvme_smart_health_information_log.media_errors" && number(value) { errors = value }
    key ~ /^json\.scsi_error_counter_log\.(read|write|verify)\.total_uncorrected_errors$/ && number(value) { errors += value }
    key ~ /^json\.ata_device_statistics\..*\.name$/ && value == "Percentage Used Endurance Indicator" { indicator = place }
    key == indicator ".value" && number(value) { used = value }
    key ~ /^json\.ata_smart_attributes\.table\[[0-9]+\]\.id$/ { id[place] = value }
    key ~ /^json\.ata_smart_attributes\.table\[[0-9]+\]\.name$/ { name[place] = value }
    key ~ /^json\.ata_smart_attributes\.table\[[0-9]+\]\.value$/ && name[place] ~ /^(Wear_Leveling_Count|Media_Wearout_Indicator|Percent_Lifetime_Remain|SSD_Life_Left|Remaining_Lifetime_Perc)$/ && number(value) { left = value }
    key ~ /^json\.ata_smart_attributes\.table\[[0-9]+\]\.raw\.value$/ && number(value) {
      sub(/\.raw$/, "", place)
      if (id[place] == 5 || id[place] == 187 || id[place] == 197) errors += value
      else if (errors == "") errors = 0
    }
    END {
      if (asleep) { print "asleep"; exit }
      if (told) print "healthy", healthy
      if (used == "" && flash && left != "" && left + 0 <= 100) used = 100 - left
      if (used != "") printf "wear %.2f\n", used / 100
      if (temperature != "") print "temperature", temperature
      if (errors != "") printf "errors %.0f\n", errors
    }'
}

readonly LASTING='rackwright_drive_healthy rackwright_drive_wear_ratio rackwright_drive_media_errors'

# keep_last LABELS: what a drive that sleeps now said when it last was awake, but for its temperature.
keep_last() {
  local family value
  for family in $LASTING; do
    value=$(awk -v start="$family{$1} " 'index($0, start) == 1 { print substr($0, length(start) + 1); exit }' "$FOLDER/rackwright-health.prom" 2>/dev/null || true)
    ! is_number "$value" || sample "$family" "$1" "$value"
  done
}

collect_drives() {
  local drive tier labels what value found
  gauge rackwright_drive_healthy "1 where the drive's own verdict is good."
  gauge rackwright_drive_wear_ratio "Share of the drive's rated endurance that is used."
  gauge rackwright_drive_temperature_celsius 'Temperature of the drive.'
  gauge rackwright_drive_media_errors 'Places of the drive that could not be read or had to be replaced.'
  have smartctl || {
    log 'smartctl is not installed: nothing can be told of the drives'
    return 0
  }
  for drive in "${DRIVES[@]}"; do
    tier='' labels="drive=\"${drive%%=*}\""
    [[ $drive != *=* ]] || tier=${drive#*=}
    [[ -z $tier ]] || labels+=",tier=\"$tier\""
    resolve_drive "${drive%%=*}" || {
      log "${drive%%=*} is not there"
      continue
    }
    found=no
    while read -r what value; do
      found=yes
      case $what in
        asleep) keep_last "$labels" ;;
        healthy) sample rackwright_drive_healthy "$labels" "$value" ;;
        wear) sample rackwright_drive_wear_ratio "$labels" "$value" ;;
        temperature) sample rackwright_drive_temperature_celsius "$labels" "$value" ;;
        errors) sample rackwright_drive_media_errors "$labels" "$value" ;;
      esac
    done < <(smart_report "$DEVICE" | read_report)
    [[ $found == yes ]] || log "smartctl tells nothing of ${drive%%=*}"
  done
}

# certificate_files: those that k3s makes for itself and renews when it starts.
certificate_files() {
  local file folder=/var/lib/rancher/k3s
  for file in "$folder"/server/tls/*.crt "$folder"/server/tls/etcd/*.crt "$folder"/agent/*.crt; do
    [[ ! -f $file || $file == *[\"\\]* ]] || printf '%s\n' "$file"
  done
}

collect_certificates() {
  local file end seconds
  gauge rackwright_certificate_expiry_timestamp_seconds 'When a certificate on the server ends.'
  while read -r file; do
    end=$(openssl x509 -noout -enddate -in "$file" 2>/dev/null) || {
      log "openssl cannot read $file"
      continue
    }
    seconds=$(date --date "${end#notAfter=}" +%s 2>/dev/null) || continue
    sample rackwright_certificate_expiry_timestamp_seconds "path=\"$file\"" "$seconds"
  done < <(certificate_files)
}
