import type { Environment } from "../environment/schema";
import type { Alert } from "../monitoring/alert";
import { anyOf } from "../monitoring/promql";

const hour = 3600;
/** A restore is tried in full at each rehearsal of a cold start; reading a backup back and comparing is done weekly. */
const verifiedWithinDays = 8;

/**
 * Backups that stop. Both watch what was recorded once: a site on which no backup has ever ended well has no such series,
 * and neither fires.
 */
export function recoveryAlerts({ recovery }: Environment): Alert[] {
  const { everyHours } = recovery.backup;
  const never = "Where no backup has ever ended well there is nothing to watch, and this does not fire.";
  return [
    {
      name: "BackupOverdue",
      severity: "warning",
      expr: `time() - max by (what) (rackwright_backup_timestamp_seconds) > ${1.5 * everyHours * hour}`,
      forSeconds: 900,
      summary: "The last backup of {{ $labels.what }} that ended well is {{ $value | humanizeDuration }} old",
      meaning: "What has changed since then would be lost with its drives.",
      reason: `recovery.backup.everyHours is ${everyHours}; half of it again is for the run itself and one more try. ${never}`,
      steps: ["On the server that makes it: `systemctl list-timers --all` and `journalctl -b --grep backup -n 50`.", "See that the target has room and can be reached: TierNearlyFull of the cold tier, or the object store.", "Start it by hand, and see that it ends well."],
    },
    {
      name: "BackupUnverified",
      severity: "warning",
      expr: anyOf([
        `time() - max by (what) (rackwright_backup_verified_timestamp_seconds) > ${verifiedWithinDays * 24 * hour}`,
        "(max by (what) (rackwright_backup_timestamp_seconds) unless on (what) rackwright_backup_verified_timestamp_seconds)",
      ]),
      forSeconds: 24 * hour,
      summary: "The backup of {{ $labels.what }} has not been read back lately",
      meaning: "A backup that nobody has read may not be one.",
      reason: `A week between two looks, one day for the look itself, and one more before this fires; a first backup has one day. General knowledge. ${never}`,
      steps: ["On the server: `restic check --read-data-subset=5%` on the repository, or what the site uses in its place.", "See why it was not done by itself: `systemctl list-timers --all` and `journalctl -b --grep backup -n 50`."],
    },
  ];
}
