// Package testterm gives tests a terminal, and reads what a person would see on it.
package testterm

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// EraseLine returns to the beginning of a line and erases it.
const EraseLine = "\r\x1b[K"

// Open returns a terminal at which something has been typed, and what was written to it once it is closed.
func Open(t *testing.T, typed ...string) (tty *os.File, shown func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("SKIPPED, NOTHING WAS TESTED: there are no terminals here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	number, unlock := uint32(0), uint32(0)
	for request, value := range map[uintptr]*uint32{syscall.TIOCSPTLCK: &unlock, syscall.TIOCGPTN: &number} {
		if _, _, failed := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(unsafe.Pointer(value))); failed != 0 {
			t.Fatal(failed)
		}
	}
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	for _, line := range typed {
		if _, err := master.WriteString(line + "\n"); err != nil {
			t.Fatal(err)
		}
	}
	var text bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(&text, master) // ends with an error once the terminal is closed
	}()
	return tty, func() string {
		tty.Close()
		select {
		case <-read:
		case <-time.After(10 * time.Second):
			t.Fatal("the terminal does not end")
		}
		return text.String()
	}
}

// Screen returns what a terminal shows in the end, as far as returns and erased lines go.
func Screen(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		line = strings.TrimSuffix(line, "\r")
		if at := strings.LastIndex(line, EraseLine); at >= 0 {
			line = line[at+len(EraseLine):]
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n")
}
