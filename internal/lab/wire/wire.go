// Package wire holds what released versions of BOS and CFS answered to some two thousand requests, as data. The
// simulated services and the clients of bosgc are held against it.
//
// The answers were recorded from the unchanged controllers of the public sources, under the server software that the
// releases ship with. Neither an API gateway nor Envoy stood between. The Python packages were newer than in the
// images, so that the words of an error may differ from those on a real system; status codes, types and keys do not.
package wire

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
)

//go:embed recordings/*.jsonl
var recordings embed.FS

// Exchange is one request and what was answered.
type Exchange struct {
	Case     string          `json:"case"`  // the same name in all versions
	Given    string          `json:"given"` // the state before, in words
	Note     string          `json:"note"`
	Request  Request         `json:"request"`
	Response Response        `json:"response"`
	Effect   json.RawMessage `json:"effect"` // what the databases or Kubernetes held afterwards
}

// Request is an HTTP request. Path is as it stands in the request line.
type Request struct {
	Method     string            `json:"method"`
	Path       string            `json:"path"`
	Headers    map[string]string `json:"headers"`
	Body       any               `json:"body"` // parsed, or a text if BodyIsText; nil without a body
	BodyIsText bool              `json:"bodyIsText"`
}

// Response is an HTTP response, or the end of a connection without one.
type Response struct {
	Status      int               `json:"status"`
	ContentType string            `json:"contentType"`
	Headers     map[string]string `json:"headers"`
	Body        any               `json:"body"` // parsed, or a text if BodyIsText
	BodyIsText  bool              `json:"bodyIsText"`
	Closed      bool              `json:"closed"` // the connection ended without an answer
	Hung        bool              `json:"hung"`   // there was no answer as long as the client waited

	kept bool // the server left the connection open after the answer
}

// Load returns the exchanges of a version, such as bos-2.0.47 or cfs-1.12.9, in the order in which they were recorded.
// Most depend on the state that those before them left.
func Load(version string) ([]Exchange, error) {
	text, err := recordings.ReadFile("recordings/" + version + ".jsonl")
	if err != nil {
		return nil, err
	}
	var exchanges []Exchange
	for line := range bytes.Lines(text) {
		var e Exchange
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", version, len(exchanges)+1, err)
		}
		exchanges = append(exchanges, e)
	}
	return exchanges, nil
}

// RawBody returns the bytes of the body of a recorded response.
func (r Response) RawBody() []byte {
	if r.BodyIsText {
		text, _ := r.Body.(string)
		return []byte(text)
	}
	text, err := json.Marshal(r.Body)
	if err != nil {
		panic(err) // it was decoded from JSON
	}
	return text
}
