// Command bosgc is a garbage collector for what BOS v1 leaves behind on HPE Cray systems
// run by CSM. See the package documentation of gc and policy, and docs/.
package main

import (
	"context"
	"os"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"bosgc/internal/cli"
)

func main() {
	// A Pod that grows past its memory limit is killed, sweep after sweep. Near nine tenths of it Go collects
	// more often instead. Without a limit, or where GOMEMLIMIT is set, this
	// changes nothing, and if the limit cannot be read the run is no worse off than before.
	_, _ = memlimit.Set()
	os.Exit(cli.RunAs(context.Background(), os.Args[0], os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
