//go:build !broken

package kube

// Rules that the soak breaks on purpose: see the same file in package policy.
const (
	breakPrecondition = false // whatever has that name goes
	break404          = false // anybody's 404 says that an object has gone
)
