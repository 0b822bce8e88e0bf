//go:build broken

package bos

import "os"

var break404 = os.Getenv("BOSGC_BREAK") == "404-bos"
