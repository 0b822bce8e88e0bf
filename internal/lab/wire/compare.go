package wire

import (
	"fmt"
	"maps"
	"mime"
	"slices"
	"strings"
)

// Compare returns how an answer differs from the recorded one: in status, content type, the behaviour of the
// connection, the keys and types of the body, the number of entries of a list, or in what is null, empty or missing.
// Texts, numbers and the order of lists may differ.
func Compare(recorded, got Response) []string {
	switch {
	case recorded.Closed != got.Closed || recorded.Hung != got.Hung:
		return []string{fmt.Sprintf("recorded: %s; got: %s", recorded.outcome(), got.outcome())}
	case recorded.Closed || recorded.Hung:
		return nil
	}
	var differences []string
	add := func(what string, recorded, got any) {
		if recorded != got {
			differences = append(differences, fmt.Sprintf("%s: recorded %v, got %v", what, recorded, got))
		}
	}
	add("status", recorded.Status, got.Status)
	add("content type", mediaType(recorded.ContentType), mediaType(got.ContentType))
	add("body is JSON", !recorded.BodyIsText, !got.BodyIsText)
	add("connection kept open", recorded.kept, got.kept)
	want, have := shape("", recorded.Body), shape("", got.Body)
	for _, line := range want {
		if !slices.Contains(have, line) {
			differences = append(differences, "missing:"+line)
		}
	}
	for _, line := range have {
		if !slices.Contains(want, line) {
			differences = append(differences, "added:"+line)
		}
	}
	return differences
}

func (r Response) outcome() string {
	switch {
	case r.Closed:
		return "connection closed without an answer"
	case r.Hung:
		return "no answer"
	}
	return fmt.Sprintf("status %d", r.Status)
}

func mediaType(contentType string) string {
	if name, _, err := mime.ParseMediaType(contentType); err == nil {
		return name
	}
	return contentType
}

// shape returns a line for every value in a parsed JSON body: its path and its kind. The entries of a list are sorted
// by their own shape, because BOS and CFS return lists in any order.
func shape(path string, value any) []string {
	switch value := value.(type) {
	case nil:
		return []string{path + " null"}
	case bool:
		return []string{fmt.Sprintf("%s %t", path, value)}
	case float64:
		return []string{path + " number"}
	case string:
		if value == "" {
			return []string{path + " empty string"}
		}
		return []string{path + " string"}
	case []any:
		entries := make([]string, 0, len(value))
		for _, entry := range value {
			entries = append(entries, strings.Join(shape("", entry), ","))
		}
		slices.Sort(entries)
		lines := []string{fmt.Sprintf("%s list of %d", path, len(value))}
		for i, entry := range entries {
			lines = append(lines, fmt.Sprintf("%s[%d]%s", path, i, entry))
		}
		return lines
	case map[string]any:
		lines := []string{path + " object"}
		for _, key := range slices.Sorted(maps.Keys(value)) {
			lines = append(lines, shape(path+"."+key, value[key])...)
		}
		return lines
	}
	return []string{fmt.Sprintf("%s %T", path, value)}
}
