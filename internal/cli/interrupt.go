package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const interrupted = `
Interrupted: nothing more is begun. bosgc waits for the requests under way, and then
reports what was done. Ctrl-C again ends it at once, without a report.
`

// untilSignal returns a context that the first signal ends. It tells of the signal before; with the handler gone, a
// second signal ends the process.
func untilSignal(ctx context.Context, tell func()) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-signals:
			signal.Stop(signals)
			tell()
			cancel()
		case <-ctx.Done():
			signal.Stop(signals)
		}
	}()
	return ctx, func() {
		cancel()
		<-watched
	}
}

// sayInterrupted tells a person at once what the signal has done: the run goes on for as long as its requests do.
func (a *app) sayInterrupted() {
	if isTerminal(a.stderr) {
		fmt.Fprint(a.stderr, interrupted)
	}
}
