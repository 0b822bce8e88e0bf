package bos

import (
	"slices"
	"testing"
)

func FuzzDecodeV2(f *testing.F) {
	for _, s := range []string{`[]`, `[{"name":"a","tenant":"t"}]`, `null`, `[null]`, `[{"name":7}]`, `[{"name":""}]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		names, err := decodeV2Names(data)
		if err == nil && (names == nil || names[""]) {
			t.Fatalf("%q became %v", data, names)
		}
	})
}

func FuzzDecodeTemplates(f *testing.F) {
	for _, s := range []string{`[]`, `[{"name":"a","boot_sets":{}}]`, `null`, `[null]`, `[{"name":7}]`, `[{}]`, `{}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		names, err := decodeTemplateNames(data)
		if err == nil && (names == nil || slices.Contains(names, "")) {
			t.Fatalf("%q became %v", data, names)
		}
	})
}
