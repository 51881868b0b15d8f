// Package actions carries decisions out on platforms.
//
// A policy names the steps of a rollback, in order, as [Spec] values. The
// [Registry] turns each into an [Action]; the [Runner] takes a
// [unship.Decision], plans every step, carries the steps out and answers with a
// [unship.Outcome].
//
// # Promises
//
//   - Plan reads and changes nothing.
//   - A decision carried out twice has the effect of carrying it out once.
//   - Every step is in the [Ledger] before it begins and after it has ended, so
//     that a process killed at any instant finishes or reconciles it at the next start.
//   - When a step fails, the steps done before it are taken back in reverse
//     order, and the outcome says so.
//
// # Writing an action
//
// In any language: answer the JSON of package exec (a subprocess) or webhook (a
// signed POST). In Go: copy the folder example, and add its Factory to the list
// in package builtin. Either must pass the suite in package actiontest.
//
// # Concurrency and errors
//
// Actions and the Runner are safe for concurrent use. An action tells what a
// failure means by [Retryable], [RetryAfter] and [Uncertain]; an error without a
// mark is final, and says that the step took no effect.
package actions
