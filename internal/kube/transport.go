package kube

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// maxAnswer is the size of the largest answer that is read, in bytes. A page of Jobs or Pods has
// 5 MiB at most where everything is well. What never ends must not use up the memory, also not where four lists do it
// at once: each is read as a whole, into a buffer that doubles.
const maxAnswer = 32 << 20

// roundTripper sees every request and every answer of a Client.
type roundTripper struct {
	next    http.RoundTripper
	options Options
	clock   *clock
}

// WrappedRoundTripper lets the client library close the idle connections below.
func (t roundTripper) WrappedRoundTripper() http.RoundTripper { return t.next }

func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	begun, sent := time.Now(), t.options.Now()
	response, err := t.next.RoundTrip(r)
	if err != nil {
		t.options.Observe(r.Method, 0, time.Since(begun))
		return response, err
	}
	t.clock.note(response.Header, sent, t.options.Now())
	t.options.Observe(r.Method, response.StatusCode, time.Since(begun))
	if r.URL.Query().Get("watch") == "true" {
		// It is silent until something changes, and comes event by event: what is none of the API server's is found
		// when it is decoded, and the library bounds each.
		return response, nil
	}
	response.Body = http.MaxBytesReader(nil, response.Body, maxAnswer)
	if err := checkGenuine(r, response); err != nil {
		return nil, err
	}
	return response, nil
}

// checkGenuine refuses a successful answer that is not the API server's own. The client library takes every
// 2xx, be it a proxy's login page, for a delete that was carried out; and an object without
// anything in it, even null, for a list that is empty.
func checkGenuine(request *http.Request, response *http.Response) error {
	if response.StatusCode/100 != 2 {
		return nil
	}
	const enough = 200
	body := bufio.NewReaderSize(response.Body, enough) // larger reads bypass the buffer
	start, err := body.Peek(enough)
	if len(start) == 0 && err != nil && err != io.EOF {
		return err
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{body, response.Body}
	if (isProtobuf(start) || isTypedJSON(start)) && bytes.Contains(start, []byte(wantedForm(request))) {
		return nil
	}
	_ = response.Body.Close()
	return fmt.Errorf("HTTP %d with content type %q, beginning %.40q, is no answer of the API server; "+
		"is there a proxy in between?", response.StatusCode, response.Header.Get("Content-Type"), start)
}

// isProtobuf reports whether an answer begins as Kubernetes begins every protobuf.
func isProtobuf(start []byte) bool { return bytes.HasPrefix(start, []byte("k8s\x00")) }

// isTypedJSON reports whether an answer begins as every object of Kubernetes does in JSON: with its kind or
// its version.
func isTypedJSON(start []byte) bool {
	d := json.NewDecoder(bytes.NewReader(start))
	open, _ := d.Token()
	key, _ := d.Token()
	value, err := d.Token()
	text, _ := value.(string)
	return err == nil && open == json.Delim('{') && (key == "kind" || key == "apiVersion") && text != ""
}

// wantedForm returns the kind as which the answer must come where only the metadata of objects
// was asked for, else nothing. The metadata client reads any kind of object as metadata, so that
// a list of something else would pass for a list of ConfigMaps.
func wantedForm(request *http.Request) string {
	first, _, _ := strings.Cut(request.Header.Get("Accept"), ",")
	_, parameters, err := mime.ParseMediaType(first)
	if err != nil {
		return ""
	}
	return parameters["as"]
}
