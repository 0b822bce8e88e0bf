package gc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
)

func manifest(i int) json.RawMessage {
	return fmt.Appendf(nil, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"%08d-0000-4000-8000-000000000000"},"data":{"data.json":"{\"boot_sets\":{\"compute\":{\"kernel_parameters\":\"console=ttyS0,115200 bad_page=panic crashkernel=512M hugepagelist=2m-2g intel_iommu=off\"}}}"}}`, i)
}

func TestAShelfGivesBackWhatWasPut(t *testing.T) {
	var s shelf
	for i := range 1000 {
		s.put(fmt.Sprint(i), manifest(i))
	}
	if s.used > 1000*100 {
		t.Errorf("texts of %d bytes that are nearly alike take %d bytes each", len(manifest(0)), s.used/1000)
	}
	for i := range 1000 {
		if got := s.get(fmt.Sprint(i)); !bytes.Equal(got, manifest(i)) {
			t.Fatalf("put %s\ngot %s", manifest(i), got)
		}
	}
	if got := s.get("another"); got != nil {
		t.Errorf("never put: %s", got)
	}
}

// What there is no room for is read again, and nothing else is lost.
func TestAShelfIsBounded(t *testing.T) {
	var s shelf
	noise := rand.New(rand.NewPCG(1, 1))
	kept := 0
	for i := range 16 {
		text := make([]byte, 300<<10)
		for at := range text {
			text[at] = byte(noise.Uint32())
		}
		s.put(fmt.Sprint(i), text)
		if got := s.get(fmt.Sprint(i)); got != nil {
			if kept++; !bytes.Equal(got, text) {
				t.Fatalf("of %d bytes %d came back, or others", len(text), len(got))
			}
		}
	}
	if s.used > shelfRoom || kept == 16 {
		t.Errorf("%d bytes are used, of %d; %d of 16 were kept", s.used, shelfRoom, kept)
	}
	if s.put("small", manifest(1)); !bytes.Equal(s.get("small"), manifest(1)) {
		t.Error("a small one, for which there is room, was not kept")
	}
}

var shelved int

func BenchmarkShelf(b *testing.B) {
	var s shelf
	for i := 0; b.Loop(); i++ {
		if s.put(fmt.Sprint(i%1000), manifest(i%1000)); i%1000 == 999 {
			shelved, s.used = s.used, 0
		}
	}
}
