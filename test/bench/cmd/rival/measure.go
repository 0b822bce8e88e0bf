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

// begun is when this process started, as nearly as it can tell.
var begun = time.Now()

// mark writes to the file RIVAL_MARK what the process has used until now, with this number of families
// collected: from here on, each family costs the same.
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

// measure runs a command as a child of this small process. Linux adds to the peak of a process the
// memory of the process that started it, and the benchmark itself holds a world.
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
		"MaxRSS": usage.Maxrss << 10, // Linux reports KiB
	})
	if err != nil {
		return err
	}
	return os.WriteFile(out, text, 0o600)
}
