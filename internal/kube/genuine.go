package kube

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// protobuf is how an answer in that form begins.
const protobuf = "k8s\x00"

// genuine makes an answer an error that says of itself that all is well and is not the API server's.
// The client library takes every 2xx, be it a proxy's login page, for a delete that was carried
// out, and an object without anything in it, even null, for a list that is empty.
func genuine(r *http.Response) error {
	if r.StatusCode/100 != 2 {
		return nil
	}
	const enough = 200
	body := bufio.NewReaderSize(r.Body, enough) // what is read in larger pieces goes past it
	start, err := body.Peek(enough)
	if len(start) == 0 && err != nil && err != io.EOF {
		return err
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{body, r.Body}
	if bytes.HasPrefix(start, []byte(protobuf)) || typed(start) {
		return nil
	}
	_ = r.Body.Close()
	return fmt.Errorf("HTTP %d with content type %q, beginning %.40q, is no answer of the API server; is there a proxy in between?", r.StatusCode, r.Header.Get("Content-Type"), start)
}

// typed says whether a JSON text begins as every object of Kubernetes does: with its kind or version.
func typed(start []byte) bool {
	d := json.NewDecoder(bytes.NewReader(start))
	open, _ := d.Token()
	key, _ := d.Token()
	value, err := d.Token()
	text, _ := value.(string)
	return err == nil && open == json.Delim('{') && (key == "kind" || key == "apiVersion") && text != ""
}
