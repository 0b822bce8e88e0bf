package bos

import (
	"encoding/json"
	"fmt"
	"testing"
)

func BenchmarkDecodeIDs(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = fmt.Sprintf("%08x-0000-4000-8000-%012x", i*2654435761%(1<<32), i)
		}
		list, err := json.Marshal(ids)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(list)))
			for b.Loop() {
				if got, err := decodeIDs(list); err != nil || len(got) != n {
					b.Fatalf("%d of %d: %v", len(got), n, err)
				}
			}
		})
	}
}

func BenchmarkDecodeRecord(b *testing.B) {
	record := []byte(`{"complete":true,"error_count":0,"in_progress":false,"job":"boa-` + id + `","operation":"boot",` +
		`"start_time":"2026-01-23T20:57:34.352623Z","status_link":"/v1/session/` + id + `/status",` +
		`"stop_time":"2026-01-23 21:24:14.647779","templateName":"template"}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(record)))
	for b.Loop() {
		if _, err := DecodeRecord(record); err != nil {
			b.Fatal(err)
		}
	}
}
