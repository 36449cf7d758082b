import type { Environment } from "../environment/schema";
import type { Alert } from "../monitoring/alert";
import { anyOf } from "../monitoring/promql";

const hour = 3600;
/** Each seventh of the data is read back once a week, and files of the newest snapshot are restored and compared. */
export const verifiedWithinDays = 8;

/**
 * Backups that stop, fail, are not proved, or are damaged. The first and the third watch what was recorded once: where no
 * backup has ever ended well there is no such series, and the second fires.
 */
export function recoveryAlerts({ recovery }: Environment): Alert[] {
  const { everyHours } = recovery.backup;
  const never = "Where no backup has ever ended well there is nothing to watch, and [BackupFailed](#backupfailed) fires in its place.";
  const look = "On the server that makes it: `journalctl -u rackwright-backup -n 50`; on the one that keeps it: `journalctl -u rackwright-backup-keep -n 50`. `./rackwright recovery status <environment>` shows the last error of both.";
  return [
    {
      name: "BackupOverdue",
      severity: "warning",
      expr: `time() - max by (what) (rackwright_backup_timestamp_seconds) > ${1.5 * everyHours * hour}`,
      forSeconds: 900,
      summary: "The last backup of {{ $labels.what }} that ended well is {{ $value | humanizeDuration }} old",
      meaning: "What has changed since then would be lost with its drives.",
      reason: `recovery.backup.everyHours is ${everyHours}; half of it again is for the run itself and one more try. ${never}`,
      steps: [look, "See that the target has room and can be reached: TierNearlyFull of the cold tier, or the object store.", "On the server that makes it: `systemctl start rackwright-backup`, and see that it ends well."],
    },
    {
      name: "BackupFailed",
      severity: "warning",
      expr: "max by (what) (rackwright_backup_failed) == 1",
      forSeconds: 2 * hour,
      summary: "The backup of {{ $labels.what }}, or the last look at it, failed",
      meaning: "What is backed up already stays as it is. What has changed since has no copy.",
      reason: "A backup that fails is tried again after an hour (components/servers/scripts/backup.sh): two more tries.",
      steps: [look, "`full`: make room on the cold tier, or lower `recovery.backup.keepDaily` and `keepWeekly`.", "`does not open with the password`: set the one that the repositories were made with, and `./rackwright up <environment>`.", "`says that it is of` another time, or snapshots that nobody made: somebody may have the key of that server. Nothing is deleted meanwhile (docs/runbooks/restore.md)."],
    },
    {
      name: "BackupDamaged",
      severity: "critical",
      expr: "max by (what) (rackwright_backup_damaged) == 1",
      forSeconds: 0,
      summary: "The backup of {{ $labels.what }} has data that are not what was written",
      meaning: "Some of it cannot be restored. Nothing in it is deleted until this is mended.",
      reason: "Names of files are compared with their checksums every day, and all data are read back once a week: what does not fit was changed by a drive, or by somebody (components/servers/scripts/backup-proof.sh).",
      steps: ["On the server that keeps it: `journalctl -u rackwright-backup-keep -n 50` names the files.", "See its drives: DriveFailing, ArrayDegraded, `dmesg`.", "Make a fresh copy now: move the repository's folder away, `./rackwright up <environment>` makes a new one, and `systemctl start rackwright-backup` on the server fills it (docs/runbooks/restore.md)."],
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
      reason: `A week between two looks at the same data, one day for the look itself, and one more before this fires; a first backup has one day (components/servers/scripts/backup-proof.sh). ${never}`,
      steps: ["On the server that keeps it: `systemctl start rackwright-backup-keep`, and see that it ends well.", "See why it was not done by itself: `systemctl list-timers rackwright-backup-keep.timer` and `journalctl -u rackwright-backup-keep -n 50`."],
    },
  ];
}
