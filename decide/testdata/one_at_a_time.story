# Two guilty releases: the more probable one first, the other when that one has
# been verified. A person may not start a second one while one runs.

policy auto
----

12:00:00 release ledger 1.1.0 replaces 1.0.0
12:00:00 release cart 2.1.0 replaces 2.0.0
12:01:00 judged ledger 1.1.0 regressed p=0.3
12:01:00 judged cart 2.1.0 regressed p=0.7
----
rollback shop/cart 2.1.0 to 2.0.0
plan shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: open; ask, another rollback is running in this environment: that of shop/cart 2.1.0; recovery unknown
  shop/cart 2.1.0: mitigating; rollback, it is the cause with a probability of 70 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending

12:01:05 answer ledger approve alice
----
  shop/ledger 1.1.0: open; ask, alice approved the rollback; it waits: another rollback is running in this environment: that of shop/cart 2.1.0; recovery unknown

restart
----

12:02:00 outcome cart rollback done
----
verify shop/cart 2.1.0 to 2.0.0
rollback shop/ledger 1.1.0 to 1.0.0 by alice
  shop/ledger 1.1.0: mitigating; rollback, alice approved the rollback; recovery pending
  shop/cart 2.1.0: mitigated; rollback, it is the cause with a probability of 70 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending

12:03:00 outcome ledger rollback done
----
verify shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: mitigated; rollback, alice approved the rollback; recovery pending

12:04:00 recovery cart 2.1.0 recovered
12:04:00 recovery ledger 1.1.0 recovered
----
  shop/ledger 1.1.0: resolved; rollback, alice approved the rollback; recovery recovered
  shop/cart 2.1.0: resolved; rollback, it is the cause with a probability of 70 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery recovered

# An undo waits for its turn as well.

12:20:00 release mail 3.1.0 replaces 3.0.0
12:20:00 judged mail 3.1.0 regressed
----
rollback shop/mail 3.1.0 to 3.0.0
  shop/mail 3.1.0: mitigating; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending

12:20:05 answer cart undo dora
----
  shop/cart 2.1.0: resolved; rollback, it is the cause with a probability of 70 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery recovered

12:20:10 outcome mail rollback done
----
verify shop/mail 3.1.0 to 3.0.0
undo shop/cart 2.1.0 to 2.0.0 by dora
  shop/cart 2.1.0: mitigating; rollback, it is the cause with a probability of 70 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery recovered
  shop/mail 3.1.0: mitigated; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending
