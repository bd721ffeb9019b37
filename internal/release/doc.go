// Package release builds the modules as a host gets them: from the zips of a module
// proxy, without go.work and without replacements. It is a module of its own, never
// published, and `make release-check` runs it.
package release
