package transport

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"
)

func TestAdvice(t *testing.T) {
	unknownHost := &net.DNSError{Err: "no such host", Name: "cray-bos", IsNotFound: true}
	for want, err := range map[string]error{
		"API gateway":   &net.OpError{Op: "dial", Err: unknownHost},
		"CA file":       fmt.Errorf("tls: %w", x509.UnknownAuthorityError{}),
		"check the URL": &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED},
	} {
		if got := advice(&url.Error{Op: "Get", Err: err}); !strings.Contains(got, want) {
			t.Errorf("%v: advice %q, want one with %q", err, got, want)
		}
	}
	if got := advice(errors.New("something else")); got != "" {
		t.Errorf("advice %q for an unknown error", got)
	}
}
