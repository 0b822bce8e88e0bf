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

// Written object by object, a document is the same that encoding/json writes at once.
func TestJSONIsWhatEncodingJSONWrites(t *testing.T) {
	odd := gc.Object{Kind: policy.Job, Name: "boa-1", Detail: "a <b> & \"c\"\n  \"objects\": []"}
	for name, objects := range map[string][]gc.Object{
		"none":    {},
		"no list": nil,
		"one":     {odd},
		"several": {odd, {Kind: policy.Session, Name: "2", Error: "x\u2028y"}, odd},
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

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestAFailedWriteIsAnError(t *testing.T) {
	many := gc.Document{Objects: make([]gc.Object, 1000)}
	for i := range many.Objects {
		many.Objects[i].Verdict = policy.Keep
	}
	if err := JSON(fullDisk{}, many); err == nil {
		t.Error("JSON that was not written is no error")
	}
	if err := Table(fullDisk{}, many, View{}); err == nil {
		t.Error("a table that was not written is no error")
	}
}

// longestWrite is a writer that remembers the length of the longest text it was given.
type longestWrite int

func (w *longestWrite) Write(text []byte) (int, error) {
	*w = max(*w, longestWrite(len(text)))
	return len(text), nil
}

// As one text, the result of a run weighs more than all that it was judged by.
func TestResultsAreWrittenInPieces(t *testing.T) {
	d := gc.Document{Kind: "Plan"}
	for i := range 3000 {
		d.Objects = append(d.Objects, gc.Object{
			Kind: policy.Job, Name: fmt.Sprint(i), Session: fmt.Sprint(i / 3), Verdict: policy.Keep, Reason: policy.TooYoung,
		})
	}
	for name, write := range map[string]func(io.Writer) error{
		"JSON":  func(w io.Writer) error { return JSON(w, d) },
		"table": func(w io.Writer) error { return Table(w, d, View{}) },
	} {
		var longest longestWrite
		if err := write(&longest); err != nil || longest > 16<<10 || longest == 0 {
			t.Errorf("%s: %v; %d bytes at once", name, err, longest)
		}
	}
}
