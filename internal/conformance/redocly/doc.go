// Package redocly has the OpenAPI document read by a public linter, the npm package
// @redocly/cli. `make conformance` installs it first, at the version of
// package-lock.json and without running any of its scripts; `make redocly` does that
// alone. Node 20.19 or later is needed.
package redocly
