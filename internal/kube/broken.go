//go:build broken

package kube

import "os"

func broken(rule string) bool { return os.Getenv("BOSGC_BREAK") == rule }

var (
	breakPrecondition = broken("precondition")
	break404          = broken("404-kube")
)
