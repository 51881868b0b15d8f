# A person says that it is not the release: nothing is done, then or later.

policy approve
----

12:00:00 release ledger 1.1.0 replaces 1.0.0
12:01:00 judged ledger 1.1.0 regressed
----
plan shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: open; ask, policy default asks a person before a rollback; recovery unknown

12:02:00 answer ledger reject alice
----
  shop/ledger 1.1.0: dismissed; none, alice said that it is not the release; recovery unknown

12:03:00 judged ledger 1.1.0 regressed
12:04:00 answer ledger undo alice
12:05:00 answer ledger sing alice
----
  shop/ledger 1.1.0: dismissed; none, alice said that it is not the release; recovery unknown
  shop/ledger 1.1.0: dismissed; none, alice said that it is not the release; recovery unknown

gates ledger
timeline ledger
----
target         pass   1.0.0 is the version that it replaced
target_health  pass   nothing is known against the version to return to
contract       pass   no release that was rolled out together with it is known to need it
evidence       pass   the evidence is beyond the policy's threshold, and nothing speaks against it
cause          pass   a release is the most probable cause
telemetry      pass   telemetry arrives
answer         block  alice said that it is not the release
running        pass   no other rollback is running in this environment
verifying      pass   no other rollback waits to be verified in this environment
cooldown       pass   shop/ledger was not rolled back lately
budget         pass   0 of 10 automatic rollbacks in 24 h were made
audit          pass   no placebo has been judged yet that would tell of false alarms
12:00:00 shop/ledger 1.1.0 began to serve, replacing 1.0.0
12:00:40 estimated onset
12:01:00 detected: shop/ledger 1.1.0 fails 6.1 % of POST /orders (0.2 % before)
12:01:00 decision: ask; policy default asks a person before a rollback
12:02:00 alice said that it is not the release
12:02:00 decision: none; alice said that it is not the release
12:04:00 alice said "undo"; refused: there is no rollback of ours to take back
12:05:00 alice said "sing"; refused: nothing is known to do about it
