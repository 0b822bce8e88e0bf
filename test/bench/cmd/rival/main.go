// Command rival does what a sweep does, in other ways, to be measured beside it (test/bench).
//
//	rival measure OUT COMMAND...   run a command, and write its cost to the file OUT
//	rival floor                    send the fewest requests, knowing what to delete
//	rival peer GETS                do what is usual: list everything whole, delete one by one
//
// All but measure read what to delete from the file RIVAL_ANSWER. The addresses of BOS, CFS and
// Kubernetes are in BOSGC_BOS_URL, BOSGC_CFS_URL and KUBECONFIG.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "rival:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 2 && args[0] == "measure" {
		return measure(ctx, args[1], args[2:])
	}
	families, err := answer()
	if err != nil {
		return err
	}
	switch {
	case len(args) == 1 && args[0] == "floor":
		return floor(ctx, families)
	case len(args) == 2 && args[0] == "peer":
		gets, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		return peer(ctx, families, gets)
	}
	return errors.New("usage: rival measure OUT COMMAND... | floor | peer GETS")
}

// family is what is deleted together: a session of BOS v1 and what it left behind. Empty fields do not
// exist.
type family struct {
	Session, ConfigMap, Job string
	CFS                     []string
}

func answer() (families []family, err error) {
	text, err := os.ReadFile(os.Getenv("RIVAL_ANSWER"))
	if err != nil {
		return nil, err
	}
	return families, json.Unmarshal(text, &families)
}
