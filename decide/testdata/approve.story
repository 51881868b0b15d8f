# A person is asked, answers, and is obeyed once.

policy approve
----

12:00:00 release ledger 1.1.0 replaces 1.0.0
12:01:00 judged ledger 1.1.0 regressed
----
plan shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: open; ask, policy default asks a person before a rollback; recovery unknown

12:01:05 outcome ledger plan done
----
  shop/ledger 1.1.0: open; ask, policy default asks a person before a rollback; recovery unknown

12:02:00 answer ledger approve alice
12:02:00 answer ledger approve bob
----
rollback shop/ledger 1.1.0 to 1.0.0 by alice
  shop/ledger 1.1.0: mitigating; rollback, alice approved the rollback; recovery pending

12:02:05 answer ledger reject carol
----
  shop/ledger 1.1.0: mitigating; rollback, alice approved the rollback; recovery pending

12:02:10 outcome ledger rollback done
----
verify shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: mitigated; rollback, alice approved the rollback; recovery pending

12:03:00 recovery ledger 1.1.0 recovered
----
  shop/ledger 1.1.0: resolved; rollback, alice approved the rollback; recovery recovered

12:04:00 answer ledger undo dora
----
undo shop/ledger 1.1.0 to 1.0.0 by dora
  shop/ledger 1.1.0: mitigating; rollback, alice approved the rollback; recovery recovered

12:04:10 outcome ledger undo done
----
  shop/ledger 1.1.0: dismissed; rollback, alice approved the rollback; recovery recovered

quarantine
timeline ledger
----
12:00:00 shop/ledger 1.1.0 began to serve, replacing 1.0.0
12:00:40 estimated onset
12:01:00 detected: shop/ledger 1.1.0 fails 6.1 % of POST /orders (0.2 % before)
12:01:00 decision: ask; policy default asks a person before a rollback
12:01:05 planned: 1 step
12:02:00 alice approved the rollback
12:02:00 bob said "approve"; refused: alice approved it already
12:02:00 decision: rollback; alice approved the rollback
12:02:00 ordered: roll shop/ledger 1.1.0 back to 1.0.0
12:02:05 carol said "reject"; refused: the rollback was ordered already; say undo to take it back
12:02:10 rolled back to 1.0.0
12:03:00 recovered: as watched
12:04:00 dora asked to take the rollback back
12:04:00 ordered: bring shop/ledger 1.1.0 back; dora asked for it
12:04:10 shop/ledger 1.1.0 is back
