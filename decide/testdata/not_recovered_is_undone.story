# The rollback does not help: the release comes back, people are called.

policy auto
----

12:00:00 release ledger 1.1.0 replaces 1.0.0
12:01:00 judged ledger 1.1.0 regressed
12:01:05 outcome ledger rollback done
12:05:00 recovery ledger 1.1.0 not_recovered
----
rollback shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: mitigating; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending
verify shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: mitigated; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending
escalate shop/ledger 1.1.0 to 1.0.0
undo shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: escalated; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery not_recovered

12:05:10 outcome ledger undo done
----
  shop/ledger 1.1.0: escalated; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery not_recovered

quarantine
timeline ledger
----
12:00:00 shop/ledger 1.1.0 began to serve, replacing 1.0.0
12:00:40 estimated onset
12:01:00 detected: shop/ledger 1.1.0 fails 6.1 % of POST /orders (0.2 % before)
12:01:00 decision: rollback; it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass
12:01:00 ordered: roll shop/ledger 1.1.0 back to 1.0.0
12:01:05 rolled back to 1.0.0
12:05:00 the rollback did not help: as watched
12:05:00 people are called: the rollback did not help, so the release was not the cause; it is brought back
12:05:00 ordered: bring shop/ledger 1.1.0 back; the rollback did not help, so the release was not the cause
12:05:10 shop/ledger 1.1.0 is back
