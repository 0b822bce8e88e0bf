package bos

import (
	"encoding/json"
	"fmt"
	"slices"

	"bosgc/internal/inventory"
	"bosgc/internal/transport"
)

// recordFields are the fields by which a record is recognised as one of BOS. Each release writes most of them in every
// record.
var recordFields = []string{
	"start_time", "stop_time", "operation", "status_link", "templateName", "templateUuid", "session_template_id", "job",
	"boa_job_name",
}

// DecodeRecord decodes a session's record field by field. Any field may be "", null, a bool or a number, depending on
// the CSM release and on how far BOA came (docs/csm.md, "Session records"), and one odd field must not hide the others.
func DecodeRecord(data []byte) (inventory.Record, error) {
	fields, err := decodeObject(data)
	if err != nil {
		return inventory.Record{}, err
	}
	// If another service answers {"status": "ok"} to everything, each session would have a record that says that the
	// session never ended.
	if !slices.ContainsFunc(recordFields, func(name string) bool { return len(fields[name]) > 0 }) {
		return inventory.Record{}, fmt.Errorf("the answer is no record of a session, it begins %q; check the BOS URL",
			transport.Printable(string(data), 80))
	}
	return inventory.Record{
		Presence:  inventory.Present,
		Template:  firstText(fields, "templateName", "templateUuid", "session_template_id"),
		Operation: firstText(fields, "operation"),
		Start:     firstStamp(fields, "start_time", "boa_launch", "bos_launch"),
		Stop:      firstStamp(fields, "stop_time", "boa_finish"),
	}, nil
}

// firstStamp returns the first of the named fields that holds anything. Records from before CSM 1.0 have times of other
// names, and empty ones beside them (docs/csm.md, "Session records").
func firstStamp(fields map[string]json.RawMessage, names ...string) inventory.Stamp {
	for _, name := range names {
		if stamp := transport.DecodeStamp(fields[name]); stamp.Known() || stamp.Bad() {
			return stamp
		}
	}
	return transport.DecodeStamp(fields[names[0]])
}

// firstText returns the first of the named fields that is a non-empty string. Values of other types do not count: a
// template that is null must not become one of the name "null".
func firstText(fields map[string]json.RawMessage, names ...string) string {
	for _, name := range names {
		var text string
		if json.Unmarshal(fields[name], &text) == nil && text != "" {
			return text
		}
	}
	return ""
}
