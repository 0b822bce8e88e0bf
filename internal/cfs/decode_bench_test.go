package cfs

import (
	"bytes"
	"fmt"
	"testing"

	"bosgc/internal/inventory"
)

// wire is a session as CFS lists it, with placeholders for its number and for the names of both times.
const wire = `{"name":"batcher-%08x-0000-4000-8000-000000000000","configuration":{"name":"cos-config","limit":""},` +
	`"ansible":{"limit":"x1000c0s0b0n0,x1000c0s0b0n1","config":"cfs-default-ansible-cfg","passthrough":null,"verbosity":0},` +
	`"target":{"definition":"dynamic","groups":[],"image_map":[]},"tags":{"bos_session":"5a0df9d1-2c3b-4f5e-8a9b-0123456789ab"},` +
	`"status":{"artifacts":[],"session":{"job":"cfs-5a0df9d1-2c3b-4f5e-8a9b-0123456789ab","status":"complete","succeeded":"true","%s":"2026-01-23T21:24:14","%s":"2026-01-23T21:30:00"}}}`

func BenchmarkSessions(b *testing.B) {
	for _, version := range []struct{ name, start, end, before, after string }{
		{"v2", "startTime", "completionTime", "[", "]"},
		{"v3", "start_time", "completion_time", `{"sessions":[`, `],"next":null}`},
	} {
		for _, n := range []int{1000, 10000} {
			b.Run(fmt.Sprintf("version=%s/sessions=%d", version.name, n), func(b *testing.B) {
				text := []byte(version.before)
				for i := range n {
					if i > 0 {
						text = append(text, ',')
					}
					text = fmt.Appendf(text, wire, i, version.start, version.end)
				}
				text = append(text, version.after...)
				b.ReportAllocs()
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					read := 0
					l := sessionListing(func(inventory.CFSSession) { read++ })
					var err error
					if version.name == "v3" {
						_, err = l.decodePage(bytes.NewReader(text))
					} else {
						err = l.decodeList(bytes.NewReader(text))
					}
					if err != nil || read != n {
						b.Fatalf("%d of %d: %v", read, n, err)
					}
				}
			})
		}
	}
}
