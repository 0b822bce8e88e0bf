package cfs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"unique"

	"bosgc/internal/inventory"
	"bosgc/internal/transport"
)

// record is a session on the wire, as both API versions write it: they differ only in the
// names of the two times. What is null or missing stays empty; what has another type than
// here fails, because a tag or a target that is misread turns a foreign session into ours.
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

// project keeps what is needed of a record. Words that are the same in thousands of records are kept once.
func (r record) project() (inventory.CFSSession, error) {
	if r.Name == "" {
		return inventory.CFSSession{}, errors.New("a CFS session has no name")
	}
	of := r.Status.Session
	session := inventory.CFSSession{
		Name:          r.Name,
		Configuration: unique.Make(r.Configuration.Name).Value(),
		Definition:    unique.Make(r.Target.Definition).Value(),
		Limit:         r.Ansible.Limit,
		Status:        unique.Make(of.Status).Value(),
		Start:         either(of.StartV2, of.StartV3),
		Completion:    either(of.CompletedV2, of.CompletedV3),
	}
	fail := func(field string, err error) (inventory.CFSSession, error) {
		return inventory.CFSSession{}, fmt.Errorf("CFS session %q: %s: %w", transport.Printable(r.Name, 80), field, err)
	}
	var succeeded bool
	if json.Unmarshal(of.Succeeded, &succeeded) == nil && string(of.Succeeded) != "null" {
		session.Succeeded = strconv.FormatBool(succeeded)
	} else if err := text(of.Succeeded, &session.Succeeded); err != nil {
		return fail("status.session.succeeded", err)
	}
	session.Succeeded = unique.Make(session.Succeeded).Value()
	if err := text(r.Tags["bos_session"], &session.Tag); err != nil {
		return fail("tags.bos_session", err)
	}
	return session, nil
}

func text(value json.RawMessage, into *string) error {
	if len(value) == 0 {
		return nil
	}
	return json.Unmarshal(value, into)
}

func either(a, b json.RawMessage) inventory.Stamp {
	if len(a) == 0 {
		a = b
	}
	stamp := transport.DecodeStamp(a)
	if stamp.Known() {
		stamp.Raw = "" // nobody is shown it
	}
	return stamp
}

// decodeSession reads one session. One that has a name and otherwise cannot be understood is
// no error but has a Fault: it must neither be misread nor hide all others for ever.
func decodeSession(data []byte) (inventory.CFSSession, error) {
	var r record
	err := json.Unmarshal(data, &r)
	if err == nil {
		var session inventory.CFSSession
		if session, err = r.project(); err == nil {
			return session, nil
		}
	}
	var named struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(data, &named) != nil || named.Name == "" {
		return inventory.CFSSession{}, err
	}
	return inventory.CFSSession{Name: named.Name, Fault: "it cannot be understood: " + transport.Printable(err.Error(), 200)}, nil
}

// listing is a kind of record that CFS lists.
type listing struct {
	what string                      // of what it is, for errors
	key  string                      // the path's last element, and the array's name on a page
	keep func(json.RawMessage) error // is given each record; the next one is written over it
}

// sessions is the listing of CFS sessions.
func sessions(keep func(inventory.CFSSession)) listing {
	return listing{"CFS sessions", "sessions", func(data json.RawMessage) error {
		session, err := decodeSession(data)
		if err == nil {
			keep(session)
		}
		return err
	}}
}

// decodeList reads version 2's answer: a bare array. Everything else is an error, null
// too, and so is anything after the array.
func (l listing) decodeList(r io.Reader) error {
	d := json.NewDecoder(r)
	if err := l.decodeArray(d); err != nil {
		return fmt.Errorf("list of %s: %w", l.what, err)
	}
	return end(d)
}

// decodePage reads version 3's answer: an object with the array, and next, which is null
// on the last page. Both must be there exactly once: without the array a page would be
// empty, and without next the list would end early.
func (l listing) decodePage(r io.Reader) (next url.Values, err error) {
	d := json.NewDecoder(r)
	if err := expect(d, '{'); err != nil {
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
	if err := expect(d, '}'); err != nil {
		return nil, fmt.Errorf("page of %s: %w", l.what, err)
	}
	if seen[l.key] != 1 || seen["next"] != 1 {
		return nil, fmt.Errorf("page of %s: it has the key %s %d times and the key next %d times, where each is expected once",
			l.what, l.key, seen[l.key], seen["next"])
	}
	return next, end(d)
}

// decodeArray gives away each record as it arrives: a list of thousands is never held
// whole.
func (l listing) decodeArray(d *json.Decoder) error {
	if err := expect(d, '['); err != nil {
		return err
	}
	var one json.RawMessage
	for n := 1; d.More(); n++ {
		err := d.Decode(&one)
		if err != nil {
			return fmt.Errorf("element %d: %w", n, err)
		}
		if err := l.keep(one); err != nil {
			return fmt.Errorf("element %d: %w", n, err)
		}
	}
	return expect(d, ']')
}

// decodeNext turns the parameters of the next page into a query. CFS lists all parameters
// of the call there; those that were not given are null.
func decodeNext(d *json.Decoder) (url.Values, error) {
	var params map[string]json.RawMessage
	if err := d.Decode(&params); err != nil || params == nil {
		return nil, err
	}
	next := url.Values{}
	for name, value := range params {
		switch value[0] {
		case 'n':
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

func expect(d *json.Decoder, want json.Delim) error {
	token, err := d.Token()
	if err != nil {
		return fmt.Errorf("%v is expected: %w", want, noEOF(err))
	}
	if token != want {
		return fmt.Errorf("%v is expected, not %q", want, transport.Printable(fmt.Sprint(token), 80))
	}
	return nil
}

func end(d *json.Decoder) error {
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the end of the JSON value")
	}
	return nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
