package transport

import (
	"crypto/x509"
	"errors"
	"net"
	"syscall"
)

// advice says of what a person meets first what to do about it; empty where there is nothing to say.
func advice(err error) string {
	var (
		name      *net.DNSError
		authority x509.UnknownAuthorityError
	)
	switch {
	case errors.As(err, &name):
		return "; this machine does not know the name: outside the cluster, give the URL of the API gateway"
	case errors.As(err, &authority):
		return "; give the CA of the system as the CA file"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "; nothing listens there: check the URL, and whether the service is up"
	}
	return ""
}
