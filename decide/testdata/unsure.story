# Evidence that is enough to ask, not to act: a person decides, unless more of it comes.

policy auto
----

12:00:00 release ledger 1.1.0 replaces 1.0.0
----

12:05:00 judged ledger 1.1.0 inconclusive asks p=0.9
gates ledger
----
plan shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: open; ask, it is likely, not sure: of harmless releases 1 in 100 comes to look like this; recovery unknown
target         pass   1.0.0 is the version that it replaced
target_health  pass   nothing is known against the version to return to
contract       pass   no release that was rolled out together with it is known to need it
evidence       block  it is likely, not sure: of harmless releases 1 in 100 comes to look like this
cause          pass   a release is the most probable cause
telemetry      pass   telemetry arrives
answer         pass   nobody said no
running        pass   no other rollback is running in this environment
verifying      pass   no other rollback waits to be verified in this environment
cooldown       pass   shop/ledger was not rolled back lately
budget         pass   0 of 10 automatic rollbacks in 24 h were made
audit          pass   no placebo has been judged yet that would tell of false alarms

12:05:05 judged ledger 1.1.0 inconclusive asks p=0.91
12:05:10 judged ledger 1.1.0 inconclusive p=0.7
12:06:00 judged ledger 1.1.0 regressed p=0.98
timeline ledger
----
  shop/ledger 1.1.0: open; ask, it is likely, not sure: of harmless releases 1 in 100 comes to look like this; recovery unknown
  shop/ledger 1.1.0: open; ask, it is likely, not sure: of harmless releases 1 in 100 comes to look like this; recovery unknown
rollback shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: mitigating; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending
12:00:00 shop/ledger 1.1.0 began to serve, replacing 1.0.0
12:04:40 estimated onset
12:05:00 detected: shop/ledger 1.1.0 probably fails 6.1 % of POST /orders (0.2 % before)
12:05:00 decision: ask; it is likely, not sure: of harmless releases 1 in 100 comes to look like this
12:06:00 the evidence is now enough to act: shop/ledger 1.1.0 fails 6.1 % of POST /orders (0.2 % before)
12:06:00 decision: rollback; it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass
12:06:00 ordered: roll shop/ledger 1.1.0 back to 1.0.0

# What never became more is asked about no longer when the watch is over.

12:07:00 outcome ledger rollback skipped
12:10:00 release cart 1.1.0 replaces 1.0.0
12:11:00 judged cart 1.1.0 inconclusive asks p=0.8
12:30:00 judged cart 1.1.0 inconclusive done p=0.3
timeline cart
----
  shop/ledger 1.1.0: open; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery unknown
plan shop/cart 1.1.0 to 1.0.0
  shop/cart 1.1.0: open; ask, it is likely, not sure: of harmless releases 1 in 100 comes to look like this; recovery unknown
  shop/cart 1.1.0: dismissed; ask, it is likely, not sure: of harmless releases 1 in 100 comes to look like this; recovery unknown
12:10:00 shop/cart 1.1.0 began to serve, replacing 1.0.0
12:10:40 estimated onset
12:11:00 detected: shop/cart 1.1.0 probably fails 6.1 % of POST /orders (0.2 % before)
12:11:00 decision: ask; it is likely, not sure: of harmless releases 1 in 100 comes to look like this
12:30:00 the watch is over, and it no longer looks worse than harmless releases do

# A person may say yes before.

12:40:00 release stock 1.1.0 replaces 1.0.0
12:41:00 judged stock 1.1.0 inconclusive asks p=0.8
12:42:00 answer stock approve anna
----
plan shop/stock 1.1.0 to 1.0.0
  shop/stock 1.1.0: open; ask, it is likely, not sure: of harmless releases 1 in 100 comes to look like this; recovery unknown
rollback shop/stock 1.1.0 to 1.0.0 by anna
  shop/stock 1.1.0: mitigating; rollback, anna approved the rollback; recovery pending

# What is explained otherwise is asked about no longer; what proves guilty after all is a new incident.

12:50:00 outcome stock rollback skipped
12:51:00 release search 1.1.0 replaces 1.0.0
12:52:00 judged search 1.1.0 inconclusive asks p=0.8
12:53:00 judged search 1.1.0 inconclusive p=0.01
12:54:00 judged search 1.1.0 inconclusive asks p=0.9
12:55:00 judged search 1.1.0 regressed p=0.98
----
  shop/stock 1.1.0: open; rollback, anna approved the rollback; recovery unknown
plan shop/search 1.1.0 to 1.0.0
  shop/search 1.1.0: open; ask, it is likely, not sure: of harmless releases 1 in 100 comes to look like this; recovery unknown
  shop/search 1.1.0: dismissed; ask, it is likely, not sure: of harmless releases 1 in 100 comes to look like this; recovery unknown
rollback shop/search 1.1.0 to 1.0.0
  shop/search 1.1.0: mitigating; rollback, it is the cause with a probability of 98 %; the chance that a harmless release looks like this: 1 in 8.8 million; all gates pass; recovery pending
