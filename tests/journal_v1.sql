BEGIN TRANSACTION;
CREATE TABLE event (
        run TEXT NOT NULL REFERENCES run (id),
        seq INTEGER NOT NULL,
        body TEXT NOT NULL,
        rows TEXT NOT NULL,         -- names of the rows taken, separated by spaces
        state TEXT NOT NULL,        -- the state after them
        digest BLOB NOT NULL,       -- of all this and the digest before
        PRIMARY KEY (run, seq)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "event" VALUES('web.1',1,'{"at":1700000000000,"event":"Start"}','start ask','Prechecking',X'E4ACA8C346FC15C33172FC83DB72B140957B8643CC23BA980AFC62C014488F30');
INSERT INTO "event" VALUES('web.1',2,'{"at":1700000000000,"attempt":1,"present":[{"id":"vm-0","zone":"1","version":"1.0.0","health":"healthy","os_disk":"os-1"},{"id":"vm-1","zone":"1","version":"1.0.0","health":"healthy","os_disk":"os-2"}],"event":"Surveyed"}','appear_pending_healthy appear_pending_healthy surveyed begin_healthy','RollingForward',X'350EE40CE01F08A0D68DE8B51B353593E70EB8750F593293B9B47083A3657941');
INSERT INTO "event" VALUES('web.1',3,'{"at":1700000001000,"instance":"vm-0","attempt":1,"event":"Replaced"}','replaced all_replaced','WaitingHealth',X'EBB450F97E1DA41EC4D35C1127A89474E2321CBBF64ECC449A1A866321258566');
INSERT INTO "event" VALUES('web.1',4,'{"at":1700000001000,"instance":{"id":"vm-0","zone":"1","version":"1.1.0","health":"initializing","os_disk":"os-3"},"event":"Observed"}','','WaitingHealth',X'4B5C8E908BD96D57A3478C5FC040AA4883331919D91900723D1EA5D88E9F66FC');
INSERT INTO "event" VALUES('web.1',5,'{"at":1700000003000,"instance":{"id":"vm-0","zone":"1","version":"1.1.0","health":"healthy","os_disk":"os-3"},"event":"Observed"}','succeed batch_done ask','Prechecking',X'26D8574058B2CDB3C7BC1B0B0036BAB0B3454F43DBAF378BF0301CB343AC6DF7');
INSERT INTO "event" VALUES('web.1',6,'{"at":1700000003000,"attempt":2,"present":[],"event":"Surveyed"}','surveyed begin_healthy','RollingForward',X'874E98020578363A80393937E4F399085D79E1F09AB2867DC76174EE48575AFC');
INSERT INTO "event" VALUES('web.1',7,'{"at":1700000004000,"instance":"vm-1","attempt":1,"event":"Replaced"}','replaced all_replaced','WaitingHealth',X'FEF615E81B55044B170DE5B1A31E1D4B33B7F5BECFF1F5F3E08CAC470085ABA1');
INSERT INTO "event" VALUES('web.1',8,'{"at":1700000004000,"instance":{"id":"vm-1","zone":"1","version":"1.1.0","health":"initializing","os_disk":"os-4"},"event":"Observed"}','','WaitingHealth',X'F67FCDDDE4FE0EA3D29CE5112E2279C0DC4E06200DF00B693893F53E1C284474');
INSERT INTO "event" VALUES('web.1',9,'{"at":1700000006000,"instance":{"id":"vm-1","zone":"1","version":"1.1.0","health":"healthy","os_disk":"os-4"},"event":"Observed"}','succeed batch_done ask','Prechecking',X'B2DB3F4D0842EFD9B9C1B7B504812F9B87581F0F01A6EB725348B6E9D4534745');
INSERT INTO "event" VALUES('web.1',10,'{"at":1700000006000,"attempt":3,"present":[],"event":"Surveyed"}','surveyed complete','Completed',X'815CAE09E6762885855A3C6CE4FF2FFE6BC0AFCAEE6790B94A56A8D3F4876FC4');
CREATE TABLE inbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run TEXT NOT NULL REFERENCES run (id),
        dedup_key TEXT NOT NULL,
        body TEXT NOT NULL,
        taken INTEGER NOT NULL DEFAULT 0,
        refused TEXT NOT NULL DEFAULT '',
        UNIQUE (run, dedup_key)
    ) STRICT;
CREATE TABLE outbox (
        run TEXT NOT NULL REFERENCES run (id),
        key TEXT NOT NULL,
        command TEXT NOT NULL,
        PRIMARY KEY (run, key)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE run (
        id TEXT PRIMARY KEY,
        scale_set TEXT NOT NULL,
        charter TEXT NOT NULL,
        state TEXT NOT NULL,
        counts TEXT NOT NULL,
        batches INTEGER NOT NULL,
        turns INTEGER NOT NULL,     -- events recorded
        opened_at INTEGER NOT NULL,
        last_at INTEGER NOT NULL,
        closed_at INTEGER,
        why TEXT NOT NULL           -- words of the last failure reported
    ) STRICT;
INSERT INTO "run" VALUES('web.1','web','{"run":"web.1","scale_set":"web","target":"1.1.0","limits":{"max_batch":34,"max_unhealthy":100,"max_unhealthy_upgraded":100,"rollback":0,"restore_on_breach":0,"paced":0},"replace_wait":60000,"health_wait":6000,"restore_wait":60000,"survey_wait":30000,"look":1000}','Completed','{"pending_healthy":0,"pending_unhealthy":0,"replacing":0,"awaiting":0,"upgraded_healthy":2,"upgraded_unhealthy":0,"failed_healthy":0,"failed_unhealthy":0,"restoring":0,"recovering":0,"restored_healthy":0,"restored_unhealthy":0,"unrestored_healthy":0,"unrestored_unhealthy":0,"skipped_healthy":0,"skipped_unhealthy":0,"indeterminate":0,"view":2,"gated":0,"held":0,"stop":0,"forced":0,"room":0,"slack":0,"cap":1}',2,10,1700000000000,1700000006000,1700000006000,'');
INSERT INTO "run" VALUES('web.2','web','{"run":"web.2","scale_set":"web","target":"1.2.0","limits":{"max_batch":34,"max_unhealthy":100,"max_unhealthy_upgraded":100,"rollback":0,"restore_on_breach":0,"paced":0},"replace_wait":60000,"health_wait":6000,"restore_wait":60000,"survey_wait":30000,"look":1000}','Idle','{"pending_healthy":0,"pending_unhealthy":0,"replacing":0,"awaiting":0,"upgraded_healthy":0,"upgraded_unhealthy":0,"failed_healthy":0,"failed_unhealthy":0,"restoring":0,"recovering":0,"restored_healthy":0,"restored_unhealthy":0,"unrestored_healthy":0,"unrestored_unhealthy":0,"skipped_healthy":0,"skipped_unhealthy":0,"indeterminate":0,"view":0,"gated":0,"held":0,"stop":0,"forced":0,"room":0,"slack":0,"cap":0}',0,0,1700000006000,1700000006000,NULL,'');
CREATE TABLE scale_set (
        name TEXT PRIMARY KEY,
        document TEXT NOT NULL,     -- TOML, as `rollproof.document` writes it
        folder TEXT NOT NULL,       -- what paths in the document are relative to
        applied_at INTEGER NOT NULL
    ) STRICT;
INSERT INTO "scale_set" VALUES('web','name = "web"
location = "local"
provider = "local"
extensions = []

[image_reference]
image = "web-os"
version = "latest"

[upgrade_policy]
mode = "Rolling"

[upgrade_policy.rolling_upgrade_policy]
max_batch_instance_percent = 20
max_unhealthy_instance_percent = 20
max_unhealthy_upgraded_instance_percent = 20
pause_time_between_batches = "PT0S"
enable_cross_zone_upgrade = false
prioritize_unhealthy_instances = false
rollback_failed_instances_on_policy_breach = false

[upgrade_policy.automatic_os_upgrade_policy]
enable_automatic_os_upgrade = false
disable_automatic_rollback = false
use_rolling_upgrade_policy = true

[timeouts]
replace = "PT30M"
health = "PT5M"
restore = "PT30M"
survey = "PT5M"
','/srv',1700000000000);
CREATE UNIQUE INDEX one_active_run ON run (scale_set) WHERE closed_at IS NULL;
CREATE INDEX runs_of_a_set ON run (scale_set, opened_at);
CREATE INDEX inbox_waiting ON inbox (id) WHERE taken = 0;
COMMIT;
