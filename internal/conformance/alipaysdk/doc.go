// Package alipaysdk holds this module and its fake Alipay against Alipay's own
// SDK for Node, the npm package alipay-sdk: a second implementation of the
// protocol, written by others. Where the two differ, a test says so, and
// docs/conformance.md why.
//
// `make conformance` installs the SDK first, at the version of package-lock.json
// and without running any of its scripts; `make alipaysdk` does that alone. Node
// 18 or later is needed.
package alipaysdk
