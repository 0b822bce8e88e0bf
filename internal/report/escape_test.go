package report

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"unicode"

	"bosgc/gc"
	"bosgc/policy"
)

// actedOn are characters that a terminal or an editor acts on, each between two that it does not.
func actedOn() string {
	all := "\u007f|\u0080|\u009b31m|\u009f|\u061c|\u200e|\u200f"
	for _, area := range [][2]rune{{0x202a, 0x202e}, {0x2066, 0x2069}} {
		for r := area[0]; r <= area[1]; r++ {
			all += "|" + string(r)
		}
	}
	return all + "|ä|日本|😀|\u00a0|<&>|\x1b\x00\r\n"
}

// plainJSON fails unless a text is JSON in which nothing but line breaks and printable characters stand.
func plainJSON(t *testing.T, what string, text []byte) (value any) {
	t.Helper()
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("%s: %v in %q", what, err, text)
	}
	for _, r := range string(text) {
		if r != '\n' && !unicode.IsPrint(r) && r != '\u00a0' {
			t.Errorf("%s has the character %U", what, r)
		}
	}
	return value
}

func TestJSONShowsNothingThatATerminalActsOn(t *testing.T) {
	nasty := actedOn()
	var b bytes.Buffer
	d := gc.Document{Kind: "Plan", Run: nasty, Objects: []gc.Object{{Kind: policy.Job, Name: nasty}, {Kind: policy.Job, Name: "plain"}}}
	if err := JSON(&b, d); err != nil {
		t.Fatal(err)
	}
	read := plainJSON(t, "a plan", b.Bytes()).(map[string]any)
	if got := read["objects"].([]any)[0].(map[string]any)["name"]; got != nasty || read["run"] != nasty {
		t.Errorf("the name is %q, want %q", got, nasty)
	}
	b.Reset()
	if err := JSON(&b, map[string]any{nasty: json.RawMessage(`"` + "\u202e" + `"`)}); err != nil {
		t.Fatal(err)
	}
	if got := plainJSON(t, "a map", b.Bytes()).(map[string]any)[nasty]; got != "\u202e" {
		t.Errorf("the value is %q", got)
	}
}

func TestTheLogShowsNothingThatATerminalActsOn(t *testing.T) {
	nasty := actedOn()
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(JSONLines{&b}, nil)).Warn(nasty, "session", nasty)
	if read := plainJSON(t, "a log line", b.Bytes()).(map[string]any); read["msg"] != nasty || read["session"] != nasty {
		t.Errorf("%q", read)
	}
	b.Reset()
	slog.New(slog.NewTextHandler(&b, nil)).Warn(nasty, "session", nasty)
	for _, r := range b.String() {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("a line of text has the character %U", r)
		}
	}
}

func TestTextShowsNothingThatATerminalActsOn(t *testing.T) {
	nasty := actedOn()
	d := gc.Document{
		Kind: "Report", Run: nasty, Stopped: nasty,
		Objects:    []gc.Object{{Kind: policy.Job, Name: nasty, Session: nasty, Template: nasty, Detail: nasty, Verdict: policy.Delete}},
		Procedures: []*gc.Procedure{{Session: nasty, Refused: nasty, Failed: true, Template: nasty, Ignored: nasty}},
	}
	var table bytes.Buffer
	if err := Table(&table, d, View{Wide: true}); err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"table": table.String(), "procedures": Procedures(d)} {
		for _, r := range text {
			if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
				t.Fatalf("the %s has the character %U: %q", what, r, text[max(0, strings.IndexRune(text, r)-40):])
			}
		}
	}
}
