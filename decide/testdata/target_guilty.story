# The version to return to was itself found guilty: ask. A person may insist.

policy auto cooldown=0s
----

12:00:00 release ledger 1.1.0 replaces 1.0.0
12:01:00 judged ledger 1.1.0 regressed
12:01:05 outcome ledger rollback done
12:02:00 recovery ledger 1.1.0 recovered
----
rollback shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: mitigating; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending
verify shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: mitigated; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending
  shop/ledger 1.1.0: resolved; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery recovered

12:10:00 release ledger 1.2.0 replaces 1.1.0
12:11:00 judged ledger 1.2.0 regressed
----
plan shop/ledger 1.2.0 to 1.1.0
  shop/ledger 1.2.0: open; ask, shop/ledger 1.1.0 was itself taken back at 2026-05-04 12:01:05 UTC; recovery unknown

gates ledger
----
target         pass   1.1.0 is the version that it replaced
target_health  block  shop/ledger 1.1.0 was itself taken back at 2026-05-04 12:01:05 UTC
contract       pass   no release that was rolled out together with it is known to need it
evidence       pass   the evidence is beyond the policy's threshold, and nothing speaks against it
cause          pass   a release is the most probable cause
telemetry      pass   telemetry arrives
answer         pass   nobody said no
running        pass   no other rollback is running in this environment
verifying      pass   no other rollback waits to be verified in this environment
cooldown       pass   the last rollback of shop/ledger was at 12:01:00 UTC
budget         pass   1 of 10 automatic rollbacks in 24 h were made
audit          pass   no placebo has been judged yet that would tell of false alarms
