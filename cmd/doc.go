// Package cmd is the program: its commands, its configuration, and the wiring
// of ingest, detect, decide, actions and dashboards into one process. It is the
// only package that imports every stage.
//
// [Main] runs a command line and returns its exit status. Whoever builds a
// binary of their own passes the actions that it offers.
package cmd
