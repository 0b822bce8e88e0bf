package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// begun is when this process began, as nearly as it can tell.
var begun = time.Now()

// mark notes in the file RIVAL_MARK what was taken until now, with so many families collected: from here on, each takes
// as much as any other.
func mark(families int) error {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return err
	}
	text, err := json.Marshal(map[string]any{
		"Families": families, "Wall": time.Since(begun), "CPU": time.Duration(usage.Utime.Nano() + usage.Stime.Nano()),
	})
	if err != nil {
		return err
	}
	return os.WriteFile(os.Getenv("RIVAL_MARK"), text, 0o600)
}

// measure runs a command as a child of this small process. Linux counts to a process's peak the memory of whoever
// started it, and the benchmark itself holds a world.
func measure(ctx context.Context, out string, command []string) error {
	child := exec.CommandContext(ctx, command[0], command[1:]...)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	begun = time.Now()
	err := child.Run()
	wall := time.Since(begun)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	usage, ok := child.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return errors.New("this system does not tell what a process took")
	}
	text, err := json.Marshal(map[string]any{
		"Begun": begun, "Wall": wall, "ExitCode": child.ProcessState.ExitCode(),
		"CPU":    time.Duration(usage.Utime.Nano() + usage.Stime.Nano()),
		"MaxRSS": usage.Maxrss << 10, // Linux gives KiB
	})
	if err != nil {
		return err
	}
	return os.WriteFile(out, text, 0o600)
}
