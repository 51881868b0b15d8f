# A bad release is taken back by itself, and that helps.

policy auto
----

12:00:00 release ledger 1.1.0 replaces 1.0.0
12:00:30 judged ledger 1.1.0 inconclusive
----

12:01:00 judged ledger 1.1.0 regressed failed=9
----
rollback shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: mitigating; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending

gates ledger
----
target         pass   1.0.0 is the version that it replaced
target_health  pass   nothing is known against the version to return to
contract       pass   no release that was rolled out together with it is known to need it
evidence       pass   the evidence is beyond the policy's threshold, and nothing speaks against it
cause          pass   a release is the most probable cause
telemetry      pass   telemetry arrives
answer         pass   nobody said no
running        pass   no other rollback is running in this environment
verifying      pass   no other rollback waits to be verified in this environment
cooldown       pass   shop/ledger was not rolled back lately
budget         pass   0 of 10 automatic rollbacks in 24 h were made
audit          pass   no placebo has been judged yet that would tell of false alarms

# Nothing is ordered twice; the harm is counted on.

12:01:05 judged ledger 1.1.0 regressed failed=12
----
  shop/ledger 1.1.0: mitigating; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending

12:01:07 outcome ledger rollback done
----
verify shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: mitigated; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending

# The same outcome told again changes nothing.

12:01:08 outcome ledger rollback done
----

12:01:10 judged ledger 1.1.0 regressed failed=99
12:02:00 recovery ledger 1.1.0 recovered
----
  shop/ledger 1.1.0: resolved; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery recovered

12:03:00 answer ledger approve alice
----
  shop/ledger 1.1.0: resolved; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery recovered

quarantine
timeline ledger
reports
----
shop/ledger 1.1.0 since 12:01:07
12:00:00 shop/ledger 1.1.0 began to serve, replacing 1.0.0
12:00:40 estimated onset
12:01:00 detected: shop/ledger 1.1.0 fails 6.1 % of POST /orders (0.2 % before)
12:01:00 decision: rollback; it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass
12:01:00 ordered: roll shop/ledger 1.1.0 back to 1.0.0
12:01:07 rolled back to 1.0.0
12:02:00 recovered: as watched
12:03:00 alice said "approve"; refused: the incident has ended: resolved
ledger 1.1.0: regressed, as judged
