// Package openapi holds what the routes answer against the document that
// alirefund.OpenAPI serves, by a validator of others' making, in both directions: what
// happens is in the document, and what is in the document happens. It is a module of
// its own, so that a host does not inherit the validator.
package openapi
