//go:build !broken

package bos

// Rules that the soak breaks on purpose: see the same file in package policy.
const break404 = false // anybody's 404 says that a session has no record
