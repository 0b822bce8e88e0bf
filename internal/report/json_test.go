package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"

	"bosgc/gc"
	"bosgc/policy"
)

// However it is written, a document is the one that encoding/json would write.
func TestJSONIsOneDocumentAsAWhole(t *testing.T) {
	odd := gc.Object{Kind: policy.Job, Name: "boa-1", Detail: "a <b> & \"c\"\n  \"objects\": []"}
	for name, objects := range map[string][]gc.Object{
		"none": {}, "no list": nil, "one": {odd}, "several": {odd, {Kind: policy.Session, Name: "2", Error: "x\u2028y"}, odd},
	} {
		d := gc.Document{Kind: "Plan", Run: "\n  \"objects\": []", Objects: objects, ExitCode: 3}
		var got, want bytes.Buffer
		encoder := json.NewEncoder(&want)
		encoder.SetIndent("", "  ")
		if err := errors.Join(JSON(&got, d), encoder.Encode(d)); err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() {
			t.Errorf("%s:\n%s\nwant\n%s", name, got.String(), want.String())
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestWhatCannotBeWrittenIsAnError(t *testing.T) {
	many := gc.Document{Objects: make([]gc.Object, 1000)}
	for i := range many.Objects {
		many.Objects[i].Verdict = policy.Keep
	}
	if err := JSON(full{}, many); err == nil {
		t.Error("the JSON was not written, and nobody is told")
	}
	if err := Table(full{}, many, View{}); err == nil {
		t.Error("the table was not written, and nobody is told")
	}
}

// pieces is a writer that notes the longest text it was given.
type pieces struct{ longest int }

func (p *pieces) Write(text []byte) (int, error) {
	p.longest = max(p.longest, len(text))
	return len(text), nil
}

// As one text, the result of a run weighs more than all that it was judged by.
func TestResultsAreWrittenBitByBit(t *testing.T) {
	d := gc.Document{Kind: "Plan"}
	for i := range 3000 {
		d.Objects = append(d.Objects, gc.Object{Kind: policy.Job, Name: fmt.Sprint(i), Session: fmt.Sprint(i / 3), Verdict: policy.Keep, Reason: policy.TooYoung})
	}
	for name, write := range map[string]func(io.Writer) error{
		"JSON":  func(w io.Writer) error { return JSON(w, d) },
		"table": func(w io.Writer) error { return Table(w, d, View{}) },
	} {
		var p pieces
		if err := write(&p); err != nil || p.longest > 16<<10 || p.longest == 0 {
			t.Errorf("%s: %v; %d bytes at once", name, err, p.longest)
		}
	}
}
