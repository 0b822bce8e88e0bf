// Command bosgc is a garbage collector for what BOS v1 leaves behind on HPE Cray systems
// run by CSM. See the package documentation of gc and policy, and docs/.
package main

import (
	"context"
	"os"

	"bosgc/internal/cli"
)

func main() {
	os.Exit(cli.RunAs(context.Background(), os.Args[0], os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
