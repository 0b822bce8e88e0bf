package bench

import "sigs.k8s.io/controller-runtime/pkg/log"

// What starts the control plane complains after 30 seconds if nobody has said where it is to log.
func init() { log.SetLogger(log.Log.WithSink(nil)) }
