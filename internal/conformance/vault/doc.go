// Package vault tests the module with private keys that it never sees: in a
// PKCS#11 token, which SoftHSM plays, and in a cloud's KMS, which a fake plays.
// docs/keys.md quotes from its tests.
//
// The token's driver is written in C, so that its test wants cgo, and SoftHSM
// (Debian's package softhsm2); SOFTHSM2_LIBRARY names its library if it is not
// where packages put it.
package vault
