package bench

import "sigs.k8s.io/controller-runtime/pkg/log"

// The library that starts the control plane complains after 30 seconds if nobody has set its logger.
func init() { log.SetLogger(log.Log.WithSink(nil)) }
