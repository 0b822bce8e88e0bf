// Command rival does what a sweep does in other ways, to be measured beside it (test/bench).
//
//	rival measure OUT COMMAND...   run a command, and write what it took to the file OUT
//	rival floor                    send only what cannot be left out, knowing the answer
//	rival peer GETS                collect as is usual: whole lists, and everything one by one
//
// All but measure read the answer, which objects go, from the file RIVAL_ANSWER. Where BOS, CFS and Kubernetes are
// is in BOSGC_BOS_URL, BOSGC_CFS_URL and KUBECONFIG.
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

// family is what goes together: a session of BOS v1 and what it left behind. What is empty is not there.
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
