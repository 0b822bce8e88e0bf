package cfs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"bosgc/internal/inventory"
	"bosgc/internal/transport"
)

// record is a session on the wire. Both API versions write the same form and differ only in the
// names of the two times. A field that is null or missing stays empty. A field of another type
// fails: a tag or a target that is misread would turn somebody else's session into one of BOS.
type record struct {
	Name          string `json:"name"`
	Configuration struct {
		Name string `json:"name"`
	} `json:"configuration"`
	Ansible struct {
		Limit string `json:"limit"`
	} `json:"ansible"`
	Target struct {
		Definition string `json:"definition"`
	} `json:"target"`
	Status struct {
		Session struct {
			Status      string          `json:"status"`
			Succeeded   json.RawMessage `json:"succeeded"`
			StartV2     json.RawMessage `json:"startTime"`
			StartV3     json.RawMessage `json:"start_time"`
			CompletedV2 json.RawMessage `json:"completionTime"`
			CompletedV3 json.RawMessage `json:"completion_time"`
		} `json:"session"`
	} `json:"status"`
	Tags map[string]json.RawMessage `json:"tags"`
}

func (r record) session() (inventory.CFSSession, error) {
	if r.Name == "" {
		return inventory.CFSSession{}, errors.New("a CFS session has no name")
	}
	state := r.Status.Session
	session := inventory.CFSSession{
		Name:          r.Name,
		Configuration: r.Configuration.Name,
		Definition:    r.Target.Definition,
		Limit:         r.Ansible.Limit,
		Status:        state.Status,
		Start:         parseStamp(state.StartV2, state.StartV3),
		Completion:    parseStamp(state.CompletedV2, state.CompletedV3),
	}
	fail := func(field string, err error) (inventory.CFSSession, error) {
		return inventory.CFSSession{}, fmt.Errorf("CFS session %q: %s: %w", transport.Printable(r.Name, 80), field, err)
	}
	var succeeded bool
	if json.Unmarshal(state.Succeeded, &succeeded) == nil && string(state.Succeeded) != "null" {
		session.Succeeded = strconv.FormatBool(succeeded)
	} else if err := decodeText(state.Succeeded, &session.Succeeded); err != nil {
		return fail("status.session.succeeded", err)
	}
	if err := decodeText(r.Tags[sessionTag], &session.Tag); err != nil {
		return fail("tags.bos_session", err)
	}
	return session, nil
}

// decodeText decodes a JSON string. A missing or null value leaves into as it is.
func decodeText(value json.RawMessage, into *string) error {
	if len(value) == 0 {
		return nil
	}
	return json.Unmarshal(value, into)
}

// parseStamp parses the time in the field of version 2, or, if that is missing, in the one of version 3.
func parseStamp(v2, v3 json.RawMessage) inventory.Stamp {
	if len(v2) == 0 {
		return transport.DecodeStamp(v3)
	}
	return transport.DecodeStamp(v2)
}

// decodeSession decodes one session. A session that has a name but cannot be understood otherwise
// is returned with a Fault, not as an error: it must neither be misread nor hide all others for ever.
func decodeSession(data []byte) (inventory.CFSSession, error) {
	var r record
	err := json.Unmarshal(data, &r)
	if err == nil {
		var session inventory.CFSSession
		if session, err = r.session(); err == nil {
			return session, nil
		}
	}
	var named struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(data, &named) != nil || named.Name == "" {
		return inventory.CFSSession{}, err
	}
	fault := "it cannot be understood: " + transport.Printable(err.Error(), 200)
	return inventory.CFSSession{Name: named.Name, Fault: fault}, nil
}

// listing describes a list of CFS.
type listing struct {
	what string                      // what it lists, for errors
	key  string                      // last element of the path, and name of the array on a page
	add  func(json.RawMessage) error // called with each record
}

func sessionListing(add func(inventory.CFSSession)) listing {
	return listing{"CFS sessions", "sessions", func(data json.RawMessage) error {
		session, err := decodeSession(data)
		if err == nil {
			add(session)
		}
		return err
	}}
}

// decodeList decodes the answer of version 2, a bare array. Anything else is an error, also null
// and anything after the array.
func (l listing) decodeList(r io.Reader) error {
	d := json.NewDecoder(r)
	if err := l.decodeArray(d); err != nil {
		return fmt.Errorf("list of %s: %w", l.what, err)
	}
	return expectEOF(d)
}

// decodePage decodes an answer of version 3: an object with the array and with next, which is null
// on the last page. Both must be there exactly once. A page without the array would pass for an
// empty one, and a page without next would end the list early.
func (l listing) decodePage(r io.Reader) (next url.Values, err error) {
	d := json.NewDecoder(r)
	if err := expectDelim(d, '{'); err != nil {
		return nil, fmt.Errorf("page of %s: %w", l.what, err)
	}
	seen := map[string]int{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("page of %s: %w", l.what, err)
		}
		name, _ := key.(string)
		switch name {
		case l.key:
			err = l.decodeArray(d)
		case "next":
			next, err = decodeNext(d)
		default:
			err = d.Decode(new(json.RawMessage))
		}
		if err != nil {
			return nil, fmt.Errorf("page of %s: %q: %w", l.what, transport.Printable(name, 80), err)
		}
		seen[name]++
	}
	if err := expectDelim(d, '}'); err != nil {
		return nil, fmt.Errorf("page of %s: %w", l.what, err)
	}
	if seen[l.key] != 1 || seen["next"] != 1 {
		return nil, fmt.Errorf("page of %s: it has the key %s %d times and the key next %d times, "+
			"where each is expected once", l.what, l.key, seen[l.key], seen["next"])
	}
	return next, expectEOF(d)
}

// decodeArray passes on each record as it arrives, so that a list of thousands is never in memory
// as a whole.
func (l listing) decodeArray(d *json.Decoder) error {
	if err := expectDelim(d, '['); err != nil {
		return err
	}
	for n := 1; d.More(); n++ {
		var data json.RawMessage
		err := d.Decode(&data)
		if err == nil {
			err = l.add(data)
		}
		if err != nil {
			return fmt.Errorf("element %d: %w", n, err)
		}
	}
	return expectDelim(d, ']')
}

// decodeNext returns the parameters of the next page as a query, nil if there is no next page. CFS
// lists all parameters of the call; those that were not given are null.
func decodeNext(d *json.Decoder) (url.Values, error) {
	var params map[string]json.RawMessage
	if err := d.Decode(&params); err != nil || params == nil {
		return nil, err
	}
	next := url.Values{}
	for name, value := range params {
		switch value[0] {
		case 'n': // null
		case '"':
			var s string
			if err := json.Unmarshal(value, &s); err != nil {
				return nil, err
			}
			next.Set(name, s)
		case '{', '[':
			return nil, fmt.Errorf("parameter %q is no single value", transport.Printable(name, 80))
		default:
			next.Set(name, string(value))
		}
	}
	if next.Get("after_id") == "" {
		return nil, errors.New("it does not say where the next page begins (after_id)")
	}
	return next, nil
}

func expectDelim(d *json.Decoder, want json.Delim) error {
	token, err := d.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("%v is expected: %w", want, err)
	}
	if token != want {
		return fmt.Errorf("%v is expected, not %q", want, transport.Printable(fmt.Sprint(token), 80))
	}
	return nil
}

func expectEOF(d *json.Decoder) error {
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the end of the JSON value")
	}
	return nil
}
