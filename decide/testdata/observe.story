# Observing plans and touches nothing, whatever people say.

policy observe
----

12:00:00 release ledger 1.1.0 replaces 1.0.0
12:01:00 judged ledger 1.1.0 regressed
----
plan shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: open; observe, policy default only observes; recovery unknown

12:01:05 outcome ledger plan done
----
  shop/ledger 1.1.0: open; observe, policy default only observes; recovery unknown

12:02:00 answer ledger approve alice
----
  shop/ledger 1.1.0: open; observe, policy default only observes; recovery unknown

# Somebody returns to the old version by hand.

12:05:00 release ledger 1.0.0 returns from 1.1.0
----
verify shop/ledger 1.1.0 to 1.0.0
  shop/ledger 1.1.0: mitigated; observe, policy default only observes; recovery pending

12:06:00 recovery ledger 1.1.0 recovered
----
  shop/ledger 1.1.0: resolved; observe, policy default only observes; recovery recovered

timeline ledger
reports
----
12:00:00 shop/ledger 1.1.0 began to serve, replacing 1.0.0
12:00:40 estimated onset
12:01:00 detected: shop/ledger 1.1.0 fails 6.1 % of POST /orders (0.2 % before)
12:01:00 decision: observe; policy default only observes
12:01:05 planned: 1 step
12:02:00 alice said "approve"; refused: policy default only observes; its mode must be approve or auto
12:05:00 somebody returned shop/ledger to 1.0.0
12:06:00 recovered: as watched
ledger 1.1.0: regressed, as judged
ledger 1.0.0: inconclusive, a return from 1.1.0 to a version that served before; it is not judged as a release
