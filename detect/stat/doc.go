// Package stat is the mathematics of judging a release while it runs.
//
// Evidence is an e-value: a number that, if nothing is wrong, has mean at most
// one, so that it ever reaches 1/α with probability at most α however often one
// looks (Ville 1939; Shafer 2021; Grünwald, de Heide and Koolen 2024). All of
// it is kept as natural logarithms.
//
//   - [Process] compares two groups that serve at the same time, by 2×2 tables
//     ([Table]) of bad and good requests, one for each stratum and window.
//     Given the number of bad requests of both groups together, the number in
//     the candidate depends on the odds ratio alone (Fisher 1935), so whatever
//     strikes both groups cancels: traffic, seasons, shared outages.
//   - [Calibration] is what the healthy instances of a service teach: how far
//     counts scatter beyond chance, for how long, and how much instances differ.
//   - [Harmless] shows the opposite, that a candidate is not worse than tolerated.
//   - [Shift] and [ShiftRelease] compare with the past where nothing old is left.
//   - [Recovery] tells whether taking a release back helped.
//   - [RateInterval] says how bad, [Detectable] what would have been seen,
//     [PosteriorBlame] who did it.
//
// In go counts, out come logarithms of e-values. Updates allocate nothing.
// Values are not safe for concurrent use; functions are. There is no clock, no
// randomness and no I/O: the same input gives the same bits. To that end products
// are rounded before they are added, so that no compiler fuses the two. Nothing
// returns an error or panics on bad counts: a table that cannot be (more bad
// requests than requests, a negative count) is cut to the nearest that can.
package stat
