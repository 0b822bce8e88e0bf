package state

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"bosgc/internal/memory"
)

// maxSessionsText bounds what is read of the sessions, in bytes. Written are at most 1,200 KB.
const maxSessionsText = 8 << 20

func compress(sessions map[string]memory.Session) (string, error) {
	text, err := json.Marshal(sessions)
	if err != nil {
		return "", fmt.Errorf("encode the state: %w", err)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		return "", fmt.Errorf("encode the state: %w", err)
	}
	if err := z.Close(); err != nil {
		return "", fmt.Errorf("encode the state: %w", err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

func decompress(text string) (sessions map[string]memory.Session, err error) {
	z, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(text)))
	if err != nil {
		return nil, err
	}
	whole, err := io.ReadAll(io.LimitReader(z, maxSessionsText))
	if err != nil {
		return nil, err
	}
	return sessions, json.Unmarshal(whole, &sessions)
}
