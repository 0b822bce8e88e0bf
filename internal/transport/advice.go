package transport

import (
	"crypto/x509"
	"errors"
	"net"
	"syscall"
)

// advice returns what to do about the errors that a first installation meets. It is empty for all others.
func advice(err error) string {
	var (
		unknownHost      *net.DNSError
		unknownAuthority x509.UnknownAuthorityError
	)
	switch {
	case errors.As(err, &unknownHost):
		return "; this machine does not know the name: outside the cluster, give the URL of the API gateway"
	case errors.As(err, &unknownAuthority):
		return "; give the CA of the system as the CA file"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "; nothing listens there: check the URL, and whether the service is up"
	}
	return ""
}
