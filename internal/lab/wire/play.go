package wire

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// closeWait is how long Play waits for the server to close a connection after its answer.
const closeWait = 2 * time.Second

// Play sends a recorded request on a connection of its own, and returns the answer. The address is host:port. A
// server that does not answer within patience has hung.
func Play(ctx context.Context, address string, recorded Request, patience time.Duration) (Response, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return Response{}, err
	}
	defer func() { _ = conn.Close() }()
	request, err := recorded.httpRequest(ctx, address)
	if err != nil {
		return Response{}, err
	}
	if err := request.Write(conn); err != nil {
		return Response{}, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return Response{}, err
	}
	reader := bufio.NewReader(conn)
	answer, err := http.ReadResponse(reader, request)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Response{Hung: true}, nil
	case err != nil: // end of file, or a reset
		return Response{Closed: true}, nil
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return Response{}, err
	}
	response := Response{Status: answer.StatusCode, ContentType: answer.Header.Get("Content-Type")}
	if json.Unmarshal(body, &response.Body) != nil {
		response.Body, response.BodyIsText = string(body), true
	}
	if err := conn.SetReadDeadline(time.Now().Add(closeWait)); err != nil {
		return Response{}, err
	}
	_, err = reader.ReadByte()
	response.kept = errors.Is(err, os.ErrDeadlineExceeded)
	return response, nil
}

// httpRequest returns the request with its path unchanged: http.NewRequest would clean an empty or encoded ID away.
func (r Request) httpRequest(ctx context.Context, address string) (*http.Request, error) {
	var body []byte
	if text, ok := r.Body.(string); ok && r.BodyIsText {
		body = []byte(text)
	} else if r.Body != nil {
		var err error
		if body, err = json.Marshal(r.Body); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, "http://"+address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.URL.Path, request.URL.RawQuery = "", ""
	request.URL.Opaque = strings.ReplaceAll(r.Path, " ", "%20")
	for name, value := range r.Headers {
		request.Header[http.CanonicalHeaderKey(name)] = []string{value}
	}
	return request, nil
}
