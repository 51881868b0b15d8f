# What cannot be taken back safely is left to people.

policy auto
----

12:00:00 release ledger 1.1.0 replaces 1.0.0
12:01:00 judged ledger 1.1.0 regressed
12:01:05 outcome ledger rollback done irreversible
12:05:00 recovery ledger 1.1.0 not_recovered
----
rollback shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: mitigating; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending
verify shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: mitigated; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending
escalate shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: escalated; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery not_recovered

timeline ledger
----
12:00:00 shop/ledger 1.1.0 began to serve, replacing 1.0.0
12:00:40 estimated onset
12:01:00 detected: shop/ledger 1.1.0 fails 6.1 % of POST /orders (0.2 % before)
12:01:00 decision: rollback; it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass
12:01:00 ordered: roll shop/ledger 1.1.0 back to 1.0.0
12:01:05 rolled back to 1.0.0
12:05:00 the rollback did not help: as watched
12:05:00 people are called: the rollback did not help, so the release was not the cause; the plan has steps that cannot be taken back, a person has to decide
