// Package browsertest holds the tests of the page in a real browser: headless
// Chromium against a server of examples. It is a folder of its own because it
// needs a browser, which the other tests do not:
//
//	go test ./dashboards/browsertest -install
//
// With -install a missing Chromium is installed by apt-get, as root; without it
// the tests fail and say what to install. With -screenshots DIR each state of
// the page is saved there as a picture, to be looked at.
package browsertest
