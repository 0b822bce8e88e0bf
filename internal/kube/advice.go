package kube

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// advised says of what a person meets first what to do about it.
func advised(err error) error {
	var (
		name      *net.DNSError
		authority x509.UnknownAuthorityError
	)
	switch {
	case err == nil:
		return nil
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%w; the API server does not accept these credentials: check --kubeconfig and --context, or log in again", err)
	case utilnet.IsConnectionRefused(err), errors.As(err, &name), errors.As(err, &authority):
		return fmt.Errorf("%w; check --kubeconfig, --context and the network", err)
	}
	return err
}
